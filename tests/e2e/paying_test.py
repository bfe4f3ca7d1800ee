"""What a payer's own programs pay: `decloud call --pay` to any x402 server, limits, and the record of it. Servers of others
are in tests/interop/x402-servers."""

import base64
import json
import os
import select
import signal
import socket
import subprocess
import threading

import http1
from ethereum import development_account
from harness import (PRICE, PROGRAM, USDC, Cloud, Flags, ends_with_parent, expect, expect_equal, in_threads, probe,
                     wait_for)

TOKEN = "0x036cbd53842c5426634e7929541ec2318f3dcf7e"


def shop(folder):
    """A cloud that takes x402 payments, a function whose owner pays for nobody, and an account with USDC of its own."""
    cloud = Cloud(folder / "home", Flags(x402=True)).start()
    cloud.cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                             ownerPays={"callers": "none", "perDay": 1})
    made = json.loads(cloud.good("account", "create", "buyer", "--json").out)
    cloud.buyer = made["address"].lower()
    cloud.send(development_account(0).address, TOKEN, "mint(address,uint256)", cloud.buyer, USDC)
    return cloud


def balance(cloud, address):
    return cloud.chain.view(TOKEN, "balanceOf(address)", address)[0]


def call(cloud, url, *options):
    return cloud.cli("--account", "buyer", "call", "--pay", url, *options)


class Proxy:
    """A running `decloud pay-proxy`; its token is in `info`, its log in a file."""

    def __init__(self, cloud, account, *options):
        self.log = cloud.home / f"pay-proxy-{account}.log"
        self.process = subprocess.Popen(
            [PROGRAM, "--home", str(cloud.home), "--account", account, "--json", "pay-proxy", "--listen", "127.0.0.1:0",
             *options], stdout=subprocess.PIPE, stderr=open(self.log, "wb"), env=cloud.environment,
            preexec_fn=ends_with_parent)
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline() if ready else b""
        expect(line, lambda: f"pay-proxy is not ready: {self.log.read_text()}")
        self.info = json.loads(line)
        self.origin = self.info["url"].removesuffix("/" + self.info["token"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        self.process.stdout.close()

    def get(self, path, headers=(), **options):
        return http1.request(self.info["url"] + path, headers=headers, **options)

    def raw(self, method, target, host):
        with http1.Connection(http1.address_of(self.origin)) as connection:
            connection.send(http1.request_bytes(method, target, host))
            return connection.response()


def curl(*words, input=None, environment=None):
    done = subprocess.run(["curl", "-sS", "-m", "60", *words], capture_output=True, input=input,
                          env={key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
                          | (environment or {}), timeout=90)
    expect_equal(done.returncode, 0, done.stderr.decode())
    return done.stdout.decode()


def pays_a_url_once(cloud):
    before = balance(cloud, cloud.buyer)
    done = call(cloud, cloud.gateway(cloud.cid, "?bytes=5"))
    expect_equal((done.code, done.out), (0, "xxxxx"), str(done))
    expect_equal(before - balance(cloud, cloud.buyer), PRICE, "paid")
    body = "y" * 300_000
    done = cloud.cli("--account", "buyer", "call", "--pay", cloud.node(cloud.cid, "?echo=1"), "--data-binary", "@-",
                     input=body.encode())
    expect_equal((done.code, done.out), (0, body), str(done)[:500])
    expect_equal(before - balance(cloud, cloud.buyer), 2 * PRICE, "paid with a body")


def an_external_signer_signs_the_transfer(cloud):
    cold = development_account(6).address
    cloud.send(development_account(0).address, TOKEN, "mint(address,uint256)", cold, USDC)
    cloud.good("account", "add", "cold", cold, "--external", cloud.info["chain"]["rpc"])
    done = cloud.cli("--account", "cold", "call", "--pay", cloud.gateway(cloud.cid, "?bytes=5"))
    expect_equal((done.code, done.out, balance(cloud, cold)), (0, "xxxxx", USDC - PRICE), str(done))


def stays_within_limits(cloud):
    before = balance(cloud, cloud.buyer)
    url = cloud.node(cloud.cid)
    for flag, value in (("--max-price", "0.0009"), ("--max-per-provider", "0.002"), ("--max-per-day", "0.002")):
        done = call(cloud, url, flag, value)
        expect_equal(done.code, 5, str(done))
        expect(f"help: {flag} " in done.err, str(done))
    expect_equal(balance(cloud, cloud.buyer), before, "the payer's USDC")
    unpaid = cloud.cli("call", url)
    expect_equal(unpaid.code, 5, str(unpaid))


def a_refused_payment_is_not_sent_again(cloud):
    """The buyer has nothing left: the node refuses the transfer, and its second 402 is shown."""
    poor = json.loads(cloud.good("account", "create", "poor", "--json").out)["address"].lower()
    done = cloud.cli("--account", "poor", "call", "--pay", cloud.node(cloud.cid))
    expect_equal(done.code, 5, str(done))
    expect("was sent and refused" in done.err, str(done))
    expect_equal(balance(cloud, poor), 0, "the payer's USDC")


class Upstream:
    """A server that answers with the head that it was sent."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            near, _ = self.listener.accept()
            data = b""
            while b"\r\n\r\n" not in data:
                data += near.recv(65536)
            more = b"Location: /next\r\nSet-Cookie: a=1\r\n" if b"/moved" in data else b""
            near.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + more +
                         b"Content-Length: %d\r\n\r\n" % len(data) + data)
            near.close()


def every_form_of_the_proxy_pays(cloud, proxy):
    before = balance(cloud, cloud.buyer)
    origin = cloud.node_url
    expect_equal(curl(f"{proxy.info['url']}/p/alice/{cloud.cid}?bytes=3"), "xxx", "the base URL, our provider")
    expect_equal(curl(f"{proxy.info['url']}/{origin}/{cloud.cid}?bytes=4"), "xxxx", "the base URL, any server")
    expect_equal(curl(f"{origin}/{cloud.cid}?bytes=5", environment={"http_proxy": proxy.info["http_proxy"]}), "xxxxx",
                 "http_proxy")
    expect_equal(curl("--unix-socket", proxy.info["socket"], f"http://localhost/p/alice/{cloud.cid}?bytes=6"), "xxxxxx",
                 "the socket")
    expect_equal(os.stat(proxy.info["socket"]).st_mode & 0o777, 0o600, "the socket's mode")
    body = b"z" * 3_000_000
    url = f"{proxy.info['url']}/{origin}/{cloud.cid}?count=1"
    digest = f"Content-Digest: {http1.content_digest(body)}"
    expect_equal(curl("--data-binary", "@-", "-H", digest, url, input=body), f"{len(body)} bytes", "a body beyond memory")
    expect_equal(before - balance(cloud, cloud.buyer), 5 * PRICE, "paid")


def the_proxy_refuses_whom_it_does_not_know(cloud, proxy):
    before = balance(cloud, cloud.buyer)
    path, token = f"/p/alice/{cloud.cid}", proxy.info["token"]
    expect_equal(http1.request(proxy.origin + path).status, 403, "no token")
    expect_equal(http1.request(f"{proxy.origin}/{'0' * 32}{path}").status, 403, "another token")
    for headers in ([("Origin", "https://evil.example")], [("Origin", "null")], [("Sec-Fetch-Site", "cross-site")],
                    [("Sec-Fetch-Site", "same-site")]):
        expect_equal(proxy.get(path, headers).status, 403, f"{headers}")
    expect_equal(proxy.raw("GET", f"/{token}{path}", "evil.example").status, 421, "another host")
    answer = proxy.raw("GET", "http://127.0.0.1:1/", "127.0.0.1:1")
    expect_equal((answer.status, "Basic" in answer.header("Proxy-Authenticate")), (407, True), "no password")
    answer = proxy.raw("CONNECT", "shop.example:443", "shop.example:443")
    expect_equal((answer.status, "encrypted" in answer.text), (501, True), "CONNECT")
    expect_equal(proxy.get("/" + proxy.info["url"] + path).status, 508, "itself")
    expect_equal(proxy.get("/p/nobody/x").status, 404, "an unknown provider")
    expect_equal(balance(cloud, cloud.buyer), before, "the payer's USDC")
    expect(token not in proxy.log.read_text(), "the token is in the log")


def the_token_goes_no_further(proxy):
    upstream, token = Upstream(), proxy.info["token"]
    seen = proxy.get(f"/{upstream.url}/moved", [("Referer", proxy.info["url"] + "/p/x"), ("X-Mine", f"a{token}b"),
                                                ("Cookie", "c=1"), ("X-Kept", "yes")])
    expect_equal((seen.status, token in seen.text, "X-Kept: yes" in seen.text, "Cookie" in seen.text),
                 (200, False, True, False), seen.text)
    expect_equal((seen.header("Location"), seen.header("Set-Cookie"), seen.header("Referrer-Policy")),
                 (f"/{token}/{upstream.url}/next", None, "no-referrer"), "the answer's headers")
    seen = curl(upstream.url + "/x", environment={"http_proxy": proxy.info["http_proxy"]})
    basic = base64.b64encode(f"pay:{token}".encode()).decode()
    expect(token not in seen and basic not in seen and "GET /x HTTP/1.1" in seen, seen)


def limits_hold_for_requests_at_once(cloud):
    before = balance(cloud, cloud.buyer)
    spent = (USDC - before)
    limit = f"0.{spent + 3 * PRICE:06}"
    with Proxy(cloud, "buyer", "--socket", str(cloud.home / "second.sock"), "--max-per-day", limit) as proxy:
        path = f"/{cloud.node_url}/{cloud.cid}?bytes=2&n="
        answers = in_threads(8, lambda index: proxy.get(path + str(index), timeout=90))
        expect_equal(sorted(each.status for each in answers), [200] * 3 + [402] * 5, "answers")
        told = next(each for each in answers if each.status == 402).header("X-Decloud-Not-Paid")
        expect("--max-per-day" in told, told)
        proxy.process.kill()
        proxy.process.wait()
    expect_equal(before - balance(cloud, cloud.buyer), 3 * PRICE, "paid")
    again = call(cloud, cloud.node(cloud.cid), "--max-per-day", limit)
    expect_equal(again.code, 5, str(again))


def history_is_the_chains(cloud):
    """To the unit, also with money in the escrow; what ended nowhere is not called taken."""
    buyer = ("--account", "buyer")
    cloud.chain.rpc("anvil_setBalance", cloud.buyer, hex(10**18))
    cloud.good(*buyer, "escrow", "deposit", "0.1")
    cloud.good(*buyer, "escrow", "approve", "alice.decloud", "--price", "0.001", "--budget", "0.01")
    cloud.good(*buyer, "escrow", "withdraw", "0.02")
    cloud.good(*buyer, "call", "--pay", "--provider", "alice.decloud", f"{cloud.cid}?bytes=1")
    cloud.settle()
    wait_for("the claim to be final", lambda: any(
        each["what"] == "claim" for each in cloud.good(*buyer, "account", "history", "--json").json["movements"]))
    told = cloud.good(*buyer, "account", "history", "--json").json
    expect_equal((told["exact"], told["unconfirmed"], told["token"], told["free"]),
                 (True, [], str(balance(cloud, cloud.buyer)), str(cloud.free(cloud.buyer))), "the sums")
    sums = {what: sum(int(each["amount"]) for each in told["movements"] if each["what"] == what)
            for what in ("deposit", "open", "withdraw", "claim")}
    expect_equal(sums, {"deposit": 100_000, "open": 10_000, "withdraw": 20_000, "claim": PRICE}, "movements")
    x402 = [each for each in told["payments"] if each["method"] == "x402" and each["state"] == "taken"]
    expect_equal(sum(int(each["taken"]) for each in x402), USDC - 80_000 - int(told["token"]), "paid by x402")
    expect(all(int(cloud.chain.receipt(each["transaction"])["status"], 16) == 1 for each in x402), f"{x402}")
    last = told["payments"][-1]
    expect_equal((last["method"], last["state"], last["receipt"][:10]), ("authorization", "taken", "/receipts/"), f"{last}")


def test_a_payer_of_x402(folder):
    cloud = shop(folder)
    try:
        pays_a_url_once(cloud)
        stays_within_limits(cloud)
        with Proxy(cloud, "buyer") as proxy:
            every_form_of_the_proxy_pays(cloud, proxy)
            the_proxy_refuses_whom_it_does_not_know(cloud, proxy)
            the_token_goes_no_further(proxy)
        limits_hold_for_requests_at_once(cloud)
        a_refused_payment_is_not_sent_again(cloud)
        history_is_the_chains(cloud)
        an_external_signer_signs_the_transfer(cloud)
        expect_equal(http1.request(cloud.node(cloud.cid)).status, 402, "nobody else pays")
    finally:
        cloud.stop()
