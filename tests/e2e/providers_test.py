"""Two providers that share nothing on disk, and an owner's home in another network namespace."""

import contextlib
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest

import http1
from content import encrypt, thumbprint
from ethereum import Account, development_account
from harness import (PRICE, PROGRAM, USDC, Cloud, clean_environment, ends_with_parent, expect, expect_equal, probe, project,
                     run_program, wait_for)

HERE = pathlib.Path(__file__).parent
OWNER = development_account(2)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def environment_of(home):
    return clean_environment(DECLOUD_HOME=str(home))


def good(home, *words, **options):
    done = run_program(*words, environment=environment_of(home), **options)
    expect_equal(done.code, 0, str(done))
    return done


def new_home(cloud, home, account, key):
    """A home that knows the cloud's chain and gateway and one account, as if on another machine."""
    text = (cloud.home / "config" / "config.toml").read_text()
    text = re.sub(r"^\[provider\]\n(.+\n)*", "", text, flags=re.MULTILINE)
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(text)
    good(home, "account", "import", account, input=f"0x{key.secret:064x}\n".encode())
    return home


class Bob:
    """A second provider on the cloud's chain, with a home, an account and a process of its own. `registered` is the URL
    that the registry has of it, if that is another's."""

    def __init__(self, cloud, folder, name="bob", registered=None):
        self.cloud, self.home, self.account = cloud, folder / name, Account.fresh()
        self.log = open(folder / f"{name}.log", "w+b")
        new_home(cloud, self.home, "provider", self.account)
        cloud.chain.rpc("anvil_setBalance", self.account.address, hex(10**19))
        self.port, console = free_port(), free_port()
        config = self.home / "config" / "config.toml"
        config.write_text(config.read_text() + f'\n[provider]\nlisten = "127.0.0.1:{self.port}"\n'
                          f'console = "127.0.0.1:{console}"\n')
        self.url = f"http://127.0.0.1:{self.port}"
        settler = good(self.home, "provider", "register", name, "--url", registered or self.url, "--price", "0.001", "--json",
                       "--account", "provider").json["settler"]
        cloud.chain.rpc("anvil_setBalance", settler, hex(10**19))
        self.start()

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "provider", "run"], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=environment_of(self.home), preexec_fn=ends_with_parent)
        wait_for("bob to be ready", self.is_ready, 40)

    def is_ready(self):
        expect(self.process.poll() is None, lambda: f"bob ended: {self.said()}")
        with contextlib.suppress(OSError):
            return http1.request(self.url + "/readyz").status == 200

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        expect_equal(self.process.wait(40), 0, f"bob's exit code: {self.said()}")

    def key(self):
        return http1.request(self.url + "/.well-known/decloud").json["rsaKey"]


def approve(cloud, provider):
    cloud.send(OWNER.address, cloud.escrow, "approve(address,uint128,uint128)", provider, PRICE, USDC)


def ready_bob(cloud, folder, deadline=40, name="bob"):
    """Bob, for whom and for alice an owner has reserved money."""
    bob = Bob(cloud, folder, name)
    usdc = cloud.info["chain"]["usdc"]
    cloud.send(development_account(0).address, usdc, "mint(address,uint256)", OWNER.address, 10 * USDC)
    cloud.send(OWNER.address, usdc, "approve(address,uint256)", cloud.escrow, 10 * USDC)
    cloud.send(OWNER.address, cloud.escrow, "deposit(uint128)", 10 * USDC)
    for provider in (cloud.provider, bob.account.address):
        approve(cloud, provider)
    wait_for("bob to see the reserved money", lambda: OWNER.address in good(
        bob.home, "provider", "status", "--json").out.lower(), deadline, 0.5)
    return bob


@contextlib.contextmanager
def namespace(folder, ports):
    """A network namespace in which only these ports lead out; the words that run a command there."""
    def start(*words):
        process = subprocess.Popen([*words, *map(str, ports)], stdout=subprocess.PIPE, preexec_fn=ends_with_parent)
        if process.stdout.readline() != b"ready\n":
            raise unittest.SkipTest("a network namespace cannot be made here")
        return process

    relay = [sys.executable, str(HERE / "relay.py")]
    with contextlib.ExitStack() as stack:
        outside = start(*relay, "outside", str(folder))
        stack.callback(outside.terminate)
        inside = start("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *relay, "inside",
                       str(folder))
        stack.callback(inside.terminate)
        yield ["nsenter", f"--net=/proc/{inside.pid}/ns/net"]
    outside.wait()
    inside.wait()


def test_one_deployment_runs_at_two_providers_that_share_nothing(cloud, folder):
    bob = ready_bob(cloud, folder)
    ports = [http1.address_of(url)[1] for url in (cloud.info["chain"]["rpc"], cloud.node_url, cloud.gateway_url, bob.url)]
    home = new_home(cloud, folder / "owner", "default", OWNER)
    with namespace(folder, ports) as prefix:
        good(home, "secret", "set", "both", "TOKEN", input=b"for both")
        deployed = good(home, "deploy", project(folder / "both", "both"), "--provider", "alice.decloud", "--provider",
                        "bob.decloud", "--json", prefix=prefix).json
        cid = deployed["cid"]
        for name in ("alice.decloud", "bob.decloud"):
            done = good(home, "call", f"{cid}?environment=1", "--provider", name, prefix=prefix)
            expect("TOKEN=for both" in done.out, done)
    for url in (cloud.gateway(cid, "?environment=1"), f"{cloud.gateway_url}/p/bob.decloud/{cid}?environment=1",
                cloud.node(cid, "?environment=1"), f"{bob.url}/{cid}?environment=1"):
        answer = http1.request(url)
        expect(answer.status == 200 and "TOKEN=for both" in answer.text, f"{url}: {answer.status} {answer.text}")
    check_refusals(cloud, bob)
    check_settlement(cloud, bob)
    bob.stop()


def check_refusals(cloud, bob):
    """What alice may run is nothing to bob, also if she encrypts it to him."""
    program = {"program.wasm": probe("wasm").read_bytes()}
    alice_key, bob_key = cloud.well_known()["rsaKey"], bob.key()
    only_alice = cloud.upload(OWNER, program, providers=["alice.decloud"], keys=[thumbprint(alice_key)],
                              seal=lambda text: encrypt(text, [alice_key]))
    passed_on = bob_upload(cloud, bob, providers=["alice.decloud"], keys=[thumbprint(alice_key)],
                           seal=lambda text: encrypt(text, [bob_key]))
    not_for_bob = bob_upload(cloud, bob, providers=["alice.decloud"], keys=[thumbprint(alice_key)],
                             seal=lambda text: encrypt(text, [alice_key]))
    expect_equal(http1.request(cloud.node(only_alice)).status, 200, "at alice")
    expect_equal(http1.request(f"{bob.url}/{only_alice}").status, 404, "bob does not have it")
    for cid in (passed_on, not_for_bob):
        answer = http1.request(f"{bob.url}/{cid}")
        expect_equal(answer.status, 403, answer.text)


def bob_upload(cloud, bob, **options):
    """As a stranger's deployer, but to bob."""
    other = Cloud(cloud.home)
    other.info = cloud.info | {"provider": {"url": bob.url, "address": bob.account.address, "console": "", "name": "bob"}}
    return other.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()}, **options)


def check_settlement(cloud, bob):
    names = ("alice", "bob")
    good(bob.home, "provider", "settle")
    cloud.settle()
    for name, provider in zip(names, (cloud.provider, bob.account.address)):
        words = cloud.chain.view(cloud.escrow, "allowance(address,address)", OWNER.address, provider)
        expect(words[4] >= 3 * PRICE and words[4] == words[5] * PRICE, f"claimed by {name}: {words}")
