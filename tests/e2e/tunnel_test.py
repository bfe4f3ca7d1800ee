"""A provider that nobody can dial sells calls through a tunnel, which only the name's own key opens."""

import base64
import contextlib
import copy
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import http1
from edge import Gateway, make_certificate, register
from ethereum import development_account
from harness import (PRICE, PROGRAM, USDC, Cloud, clean_environment, ends_with_parent, expect, expect_equal, in_threads,
                     probe, wait_for)
from providers_test import good, namespace

OWNER = development_account(3)
# Nobody listens there: what is not tunnelled fails.
NOWHERE = "http://127.0.0.1:9"


class Tunnelled:
    """A provider with a name in the registry, a tunnel, and no port that leads to it."""

    def __init__(self, cloud, folder, name, gateways, prefix=(), environment=None, settings="", url=NOWHERE):
        self.name, self.gateways, self.prefix = f"{name}.decloud", gateways, prefix
        self.more = environment or {}
        self.home, self.account, registered = register(cloud, folder, name, url)
        cloud.chain.rpc("anvil_setBalance", registered["settler"], hex(10**19))
        config = self.home / "config" / "config.toml"
        text = re.sub(r"(?m)^listen = .127.0.0.1:8402.$", f'listen = "unix:{self.home}/public"', config.read_text())
        text = re.sub(r"(?m)^console = .127.0.0.1:8401.$", f'console = "unix:{self.home}/console"', text)
        expect_equal(text.count("unix:"), 2, text)
        config.write_text(text.replace("[provider]\n", "[provider]\n" + settings))
        self.start()

    def as_seen_by(self, cloud, gateway_url):
        """What deploys and calls at it through that gateway."""
        through = Cloud(cloud.home)
        through.info = cloud.info | {"provider": {"url": f"{gateway_url}/p/{self.name}", "console": "",
                                                  "address": self.account.address,
                                                  "name": self.name.removesuffix(".decloud")}}
        return through

    def start(self):
        self.log_file = open(self.home / "log", "ab")
        options = [word for url in self.gateways for word in ("--tunnel", url)]
        self.process = subprocess.Popen(
            [*self.prefix, PROGRAM, "provider", "start", *options], stdin=subprocess.DEVNULL, stdout=self.log_file,
            stderr=self.log_file, env=clean_environment(DECLOUD_HOME=str(self.home)) | self.more,
            preexec_fn=ends_with_parent)

    def log(self):
        return (self.home / "log").read_text(errors="replace")

    def is_reached(self, url):
        expect(self.process.poll() is None, lambda: f"{self.name} ended: {self.log()[-2000:]}")
        with contextlib.suppress(OSError):
            return http1.request(f"{url}/p/{self.name}/readyz", timeout=5).status == 200

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        expect_equal(self.process.wait(40), 0, f"{self.name}'s exit code: {self.log()[-2000:]}")


def fund(cloud, tunnelled, budget=USDC):
    usdc = cloud.info["chain"]["usdc"]
    cloud.send(development_account(0).address, usdc, "mint(address,uint256)", OWNER.address, 10 * USDC)
    cloud.send(OWNER.address, usdc, "approve(address,uint256)", cloud.escrow, 10 * USDC)
    cloud.send(OWNER.address, cloud.escrow, "deposit(uint128)", 10 * USDC)
    cloud.send(OWNER.address, cloud.escrow, "approve(address,uint128,uint128)", tunnelled.account.address, PRICE, budget)
    wait_for("the provider to see the money", lambda: OWNER.address in good(
        tunnelled.home, "provider", "status", "--json").out.lower(), 40, 0.5)


def test_a_provider_in_a_network_of_its_own_is_called_and_paid_through_a_tunnel(cloud, folder):
    ports = [http1.address_of(url)[1] for url in (cloud.info["chain"]["rpc"], cloud.gateway_url)]
    with namespace(folder, ports) as prefix:
        tina = Tunnelled(cloud, folder, "tina", [cloud.gateway_url], prefix)
        wait_for("tina to be reached", lambda: tina.is_reached(cloud.gateway_url), 60)
        fund(cloud, tina)
        cid = tina.as_seen_by(cloud, cloud.gateway_url).upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
        base = f"{cloud.gateway_url}/p/{tina.name}/{cid}"
        body = os.urandom(300_000)
        answers = in_threads(8, lambda _: http1.request(f"{base}?echo=1", "POST", (), body))
        for answer in answers:
            expect(answer.status == 200 and answer.body == body, f"{answer.status} {answer.text[:300]}")
        good(tina.home, "provider", "settle")

        def claimed():
            return cloud.chain.view(cloud.escrow, "allowance(address,address)", OWNER.address, tina.account.address)[4]

        wait_for("the calls to be settled", lambda: claimed() == 8 * PRICE, 60)
        tina.stop()
        expect(http1.request(base).status in (502, 504), "who has gone is not reached")


def test_the_public_endpoints_and_nothing_else_pass(cloud, folder):
    tim = Tunnelled(cloud, folder, "tim", [cloud.gateway_url])
    wait_for("tim to be reached", lambda: tim.is_reached(cloud.gateway_url), 60)
    base = f"{cloud.gateway_url}/p/{tim.name}"
    expect_equal(http1.request(base + "/.well-known/decloud").status, 200, "public")
    for path in ("/metrics", "/operator/status", "/operator/v1/status"):
        expect_equal(http1.request(base + path).status, 404, path)
    tim.stop()


def test_a_later_process_takes_the_name_over_from_one_that_is_frozen(cloud, folder):
    old = Tunnelled(cloud, folder, "tess", [cloud.gateway_url])
    wait_for("tess to be reached", lambda: old.is_reached(cloud.gateway_url), 60)
    old.process.send_signal(signal.SIGSTOP)
    twin = copy.copy(old)
    twin.home = folder / "twin"
    shutil.copytree(old.home, twin.home, ignore=shutil.ignore_patterns("public", "console", "*.sock", "log"))
    config = twin.home / "config" / "config.toml"
    config.write_text(config.read_text().replace(str(old.home), str(twin.home)))
    twin.start()
    wait_for("the twin to be let in", lambda: "is reached through" in twin.log(), 60)
    expect_equal(http1.request(f"{cloud.gateway_url}/p/{twin.name}/healthz", timeout=10).status, 200, "the twin answers")
    twin.stop()
    old.process.kill()
    old.process.wait()


def test_a_tunnel_over_tls_comes_back_when_its_gateway_does(cloud, folder):
    files = make_certificate(folder)
    with Gateway(cloud, folder / "gateway", tls=files) as gateway:
        port = gateway.port
        url = f"https://localhost:{port}"
        tom = Tunnelled(cloud, folder, "tom", [url], environment={"SSL_CERT_FILE": str(files[0])})

        def reached():
            expect(tom.process.poll() is None, tom.log)
            done = subprocess.run(["curl", "-sS", "--max-time", "5", "--cacert", str(files[0]), "-o", "/dev/null", "-w",
                                   "%{http_code}", f"{url}/p/{tom.name}/readyz"], capture_output=True)
            return done.stdout == b"200"

        wait_for("tom to be reached", reached, 60)
    with Gateway(cloud, folder / "gateway2", tls=files, listen=f"127.0.0.1:{port}"):
        wait_for("tom to be reached again", reached, 60)
    tom.stop()


@contextlib.contextmanager
def two_gateways(cloud, folder, name):
    """Gateways, a provider with tunnels to both, and the cid of what it runs."""
    with contextlib.ExitStack() as stack:
        gateways = [stack.enter_context(Gateway(cloud, folder / f"gateway{index}", more='console = "127.0.0.1:0"\n'))
                    for index in range(2)]
        urls = [f"http://127.0.0.1:{gateway.port}" for gateway in gateways]
        provider = Tunnelled(cloud, folder, name, urls)
        for url in urls:
            wait_for(f"{name} to be reached by {url}", lambda url=url: provider.is_reached(url), 60)
        fund(cloud, provider)
        cid = provider.as_seen_by(cloud, urls[0]).upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
        yield gateways, provider, cid
        provider.stop()


def connections(gateway):
    console = re.search(r"console on (127.0.0.1:\d+)", gateway.log()).group(1)
    page = http1.request(f"http://{console}/metrics").text
    return int(float(re.search(r"(?m)^decloud_gateway_tunnels (\S+)", page).group(1)))


def check_load(gateway, target):
    """A second connection while seven requests last, and one afterwards."""
    wait_for("one connection while idle", lambda: connections(gateway) == 1, 60, 0.5)
    url = f"http://127.0.0.1:{gateway.port}{target}"
    with contextlib.ExitStack() as under_way:
        lasting = [under_way.enter_context(http1.Connection(("127.0.0.1", gateway.port))) for _ in range(7)]
        for connection in lasting:
            # The last byte of the body does not come.
            connection.send(http1.request_bytes("POST", target + "?echo=1", "127.0.0.1", {"Content-Length": 2},
                                                length=False) + b"x")
        wait_for("another connection", lambda: connections(gateway) >= 2, 20)
        expect_equal(http1.request(url + "?environment=1").status, 200, "beside them")
        for connection in lasting:
            connection.send(b"y")
            answer = connection.response("POST")
            expect(answer.status == 200 and answer.body == b"xy", f"{answer.status} {answer.text}")

    def one_again():
        expect_equal(http1.request(url + "?environment=1").status, 200, "while a connection goes")
        return connections(gateway) == 1

    wait_for("one connection", one_again, 60, 0.5)


def test_load_brings_connections_and_gateways_that_restart_one_after_the_other_lose_no_request(cloud, folder):
    with two_gateways(cloud, folder, "tuck") as (gateways, tuck, cid), contextlib.ExitStack() as stack:
        check_load(gateways[0], f"/p/{tuck.name}/{cid}")
        stop, answers = threading.Event(), []

        def ask(index):
            """An idempotent request, to the other gateway if the first takes no connection or says 502."""
            for attempt in range(2):
                url = f"http://127.0.0.1:{gateways[(index + attempt) % 2].port}"
                with contextlib.suppress(ConnectionError):
                    answer = http1.request(f"{url}/p/{tuck.name}/{cid}?wait=250&environment=1")
                    if answer.complete and answer.status != 502:
                        return answer.status
            return 0

        def call(index):
            while not stop.is_set():
                answers.append(ask(index))

        callers = [threading.Thread(target=call, args=(index,)) for index in range(3)]
        for caller in callers:
            caller.start()
        try:
            for index, gateway in enumerate(gateways):
                before = len(answers)
                wait_for("calls", lambda before=before: len(answers) > before + 4, 60)
                gateway.__exit__()
                expect(f"a tunnel of {tuck.name} has ended" in gateway.log(), gateway.log())
                stack.enter_context(Gateway(cloud, folder / f"again{index}", listen=f"127.0.0.1:{gateway.port}"))
                wait_for("tuck to be reached again", lambda gateway=gateway: tuck.is_reached(
                    f"http://127.0.0.1:{gateway.port}"), 60)
        finally:
            stop.set()
            for caller in callers:
                caller.join(60)
        expect_equal(set(answers), {200}, "no request is lost")


def test_a_gateway_that_was_restarted_waits_for_tunnels_to_come_back(cloud, folder):
    with contextlib.ExitStack() as stack:
        gateway = Gateway(cloud, folder / "gateway")
        gateway.__enter__()
        url = f"http://127.0.0.1:{gateway.port}"
        tove = Tunnelled(cloud, folder, "tove", [url], url=f"http://tove.localhost:{gateway.port}")
        wait_for("tove to be reached", lambda: tove.is_reached(url), 60)
        tove.process.send_signal(signal.SIGSTOP)
        gateway.__exit__()
        stack.enter_context(Gateway(cloud, folder / "again", listen=f"127.0.0.1:{gateway.port}"))
        answers = []
        caller = threading.Thread(target=lambda: answers.append(http1.request(f"{url}/p/{tove.name}/healthz").status))
        caller.start()
        tove.process.send_signal(signal.SIGCONT)
        caller.join(60)
        expect_equal(answers, [200], "the request waited")
        tove.stop()


def test_nobody_opens_a_tunnel_for_a_name_that_is_not_his(cloud, folder):
    host, port = http1.address_of(cloud.gateway_url)
    key = base64.b64encode(os.urandom(16)).decode()
    request = (f"GET /.well-known/decloud/tunnel HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
               f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
               "Sec-WebSocket-Protocol: decloud-tunnel-1\r\n\r\n").encode()

    def say(message, masked=True):
        with socket.create_connection((host, port), 20) as connection:
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or b"nonce" not in answer:
                answer += connection.recv(4096)
            expect(answer.startswith(b"HTTP/1.1 101"), answer)
            head = bytes([0x82, (0x80 if masked else 0) | 126]) + len(message).to_bytes(2, "big")
            connection.sendall(head + (bytes(4) if masked else b"") + message)
            rest = b""
            while data := connection.recv(4096):
                rest += data
            return rest

    claim = (b'{"name":"alice.decloud","epoch":"1","instance":"x","signature":"' + b"A" * 86 + b'","delegation":{}}')
    for message in (claim, b"{" * 300, b"\xff" * 300):
        expect(b"error" in say(message), "an untrue claim was taken")
    expect(b"ok" not in say(claim, masked=False), "a frame without a mask was taken")
    expect_equal(http1.request(cloud.gateway_url + "/.well-known/decloud/tunnel").status, 400, "no upgrade")
    expect_equal(http1.request(cloud.gateway(cloud.cid("hello"))).status, 200, "alice is still there")
