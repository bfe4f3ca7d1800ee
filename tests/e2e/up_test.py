"""`decloud up`: what a newcomer sees, again and again, side by side, and when it is stopped."""

import os
import re
import signal
import socket
import subprocess
import time

import http1
from harness import (PRICE, PROGRAM, ROOT, USDC, Cloud, Flags, clean_environment, descendants, expect,
                     expect_equal, is_alive, run_program, users_of, wait_for)

FREE = Flags().words()
CALLS = 3


def test_up_prints_one_line_with_everything_a_client_needs(cloud):
    info = cloud.info
    expect_equal(set(info), {"chain", "provider", "gateway", "account", "functions"}, "members")
    expect_equal(set(info["chain"]), {"rpc", "id", "escrow", "registry", "usdc"}, "chain")
    expect_equal(set(info["provider"]), {"name", "url", "console", "address"}, "provider")
    expect_equal(set(info["gateway"]), {"url", "provider_url"}, "gateway")
    expect_equal(info["provider"]["name"], "alice.decloud", "name")
    expect_equal({each["name"] for each in info["functions"]}, {"thumbnail", "markdown", "hello"}, "functions")
    for each in info["functions"]:
        expect_equal(each["url"], f"{cloud.gateway_url}/p/alice.decloud/{each['cid']}", "url")
    expect(re.fullmatch(r"http://alice\.localhost:\d+", info["gateway"]["provider_url"]), info["gateway"])
    expect_equal(cloud.account, "0x70997970c51812dc3a010c7d01b50e0d17dc79c8", "the funded account")


def test_a_first_up_once_ends_with_exact_balances(folder):
    home = folder / "home"
    done = run_program("up", "--once", "--home", home, *FREE, timeout=150, cwd=ROOT)
    expect_equal(done.code, 0, str(done))
    text = done.out + done.err
    for line in (r"chain +http://127\.0\.0\.1:\d+ +id 31337", r"provider +alice\.decloud +http://127\.0\.0\.1:\d+ +console ",
                 r"gateway +http://alice\.localhost:\d+", r"you +0x70…79c8 +95\.000 USDC free, 4\.997 of 5 left",
                 r"provider +\+0\.003 USDC settled in block \d+", r"thumbnail +curl --data-binary @"):
        expect(re.search(line, text), f"no line like {line} in\n{text}")
    expect(not users_of(home), f"left behind: {users_of(home)}")
    with Cloud(home) as cloud:
        claimed = cloud.on_chain()
        expect_equal((claimed["claimed"], claimed["calls"]), (2 * CALLS * PRICE, 2 * CALLS), "two runs of three calls")
        expect_equal(cloud.earned(), 2 * CALLS * PRICE, "earned")
        expect_equal(cloud.free(), 95 * USDC, "free")
        expect_equal(cloud.spent(), 2 * CALLS * PRICE, "log")
        token = cloud.chain.view(cloud.info["chain"]["usdc"], "balanceOf(address)", cloud.escrow)[0]
        expect_equal(token, 100 * USDC, "the escrow's tokens")


def test_a_second_up_is_quick_and_keeps_state(home):
    def chain_of(cloud):
        return cloud.info["chain"]["escrow"], [each["cid"] for each in cloud.info["functions"]], cloud.account

    with Cloud(home) as cloud:
        first, spent = chain_of(cloud), cloud.spent()
    start = time.monotonic()
    with Cloud(home) as cloud:
        took = time.monotonic() - start
        expect_equal(chain_of(cloud), first, "contracts, functions and account")
        expect_equal(cloud.spent(), spent + CALLS * PRICE, "spent")
        expect_equal(cloud.on_chain()["claimed"], cloud.spent(), "chain = log")
        expect_equal(http1.request(cloud.gateway(cloud.cid("hello"))).body, b"hello\n", "a call")
    expect(took < 20, f"the second up took {took:.1f} s")


def test_home_can_come_from_the_environment(home):
    cloud = Cloud(home, environment=clean_environment(DECLOUD_HOME=str(home)))
    words = [PROGRAM, "up", "--once", *FREE]
    done = subprocess.run(words, capture_output=True, timeout=90, cwd=ROOT, env=cloud.environment, stdin=subprocess.DEVNULL)
    expect_equal(done.returncode, 0, done.stderr.decode())


def test_a_port_in_use_is_named_with_its_flag(folder):
    for name in ("chain", "node", "console", "gateway"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            home = folder / name
            done = run_program("up", "--home", home, *Flags(**{name: port}).words(), timeout=60, cwd=ROOT)
            expect(done.code not in (0, 64), str(done))
            expect(str(port) in done.err and f"--{name}-port" in done.err, str(done))
            expect(not users_of(home), f"left behind: {users_of(home)}")
            data = home / "data" / "chain"
            expect(not data.exists() or not list(data.iterdir()), "the chain was started before the ports were tried")


def test_stopping_leaves_no_process(home):
    for number in (signal.SIGINT, signal.SIGTERM):
        cloud = Cloud(home).start()
        children = descendants(cloud.process.pid)
        expect(len(children) >= 3, f"chain, node and gateway are processes: {children}")
        expect_equal(cloud.stop(number) in (0, 2, 130, 143), True, f"exit code after {number}")
        wait_for("every process to end", lambda: not users_of(home) and not any(map(is_alive, children)), 10)


def test_kill_9_of_up_leaves_no_process(home):
    cloud = Cloud(home).start()
    children = descendants(cloud.process.pid)
    os.kill(cloud.process.pid, signal.SIGKILL)
    cloud.process.wait()
    wait_for("every process to end", lambda: not users_of(home) and not any(map(is_alive, children)), 15)
    with Cloud(home) as cloud:
        expect_equal(http1.request(cloud.gateway(cloud.cid("hello"))).body, b"hello\n", "started again")


def test_two_clouds_side_by_side_do_not_touch(cloud, home):
    spent = cloud.spent()
    with Cloud(home) as other:
        expect(other.node_url != cloud.node_url and other.gateway_url != cloud.gateway_url, "ports")
        for each in (cloud, other):
            with each.costs(PRICE):
                expect_equal(http1.request(each.gateway(each.cid("hello"))).body, b"hello\n", each.gateway_url)
    expect_equal(cloud.spent(), spent + PRICE, "the first one's log")


def test_the_published_keys_are_refused_beyond_loopback(home):
    config = home / "config" / "config.toml"
    with Cloud(home) as cloud:
        port = http1.address_of(cloud.info["chain"]["rpc"])[1]
        environment = cloud.environment | {"DECLOUD_HOME": str(home), "DECLOUD_RPC_URL": f"http://192.0.2.1:{port}"}
        done = cloud.cli("escrow", "withdraw", "1", environment=environment, timeout=60)
        expect(done.code not in (0, 64), str(done))
        expect("development" in done.err or "loopback" in done.err, str(done))
    expect(config.exists(), "config")


def test_changed_contracts_are_replaced_and_the_old_money_named(home):
    with Cloud(home) as cloud:
        old = cloud.escrow
        code = cloud.chain.rpc("eth_getCode", old, "latest")
        cloud.chain.rpc("anvil_setCode", old, code + "00")
    with Cloud(home) as cloud:
        expect(cloud.escrow != old, "the escrow of another build is still used")
        said = cloud.messages()
        expect(old in said.lower() and "decloud escrow withdraw" in said, f"nothing about the old contracts: {said}")
        with cloud.costs(PRICE):
            expect_equal(http1.request(cloud.gateway(cloud.cid("hello"))).body, b"hello\n", "a call")
