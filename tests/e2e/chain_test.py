"""A provider's view of its chain, through endpoints that lie, stand still or come back; money that has just arrived."""

import http.server
import json
import re
import threading
import urllib.request

import http1
from ethereum import development_account
from harness import USDC, expect, expect_equal, new_folder, project, wait_for
from providers_test import OWNER, Bob, good, new_home



class Endpoint:
    """The chain's JSON-RPC on a port of its own; `change` may alter what it says of a block."""

    def __init__(self, rpc):
        self.rpc, self.change = rpc, None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self):
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = endpoint.answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, body):
        request = urllib.request.Request(self.rpc, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        if self.change and json.loads(body)["method"].startswith("eth_getBlockBy") and answer.get("result"):
            self.change(answer["result"])
        return json.dumps(answer).encode()


def old(hours):
    """Says that each block is that much older."""
    def change(block):
        block["timestamp"] = hex(int(block["timestamp"], 16) - hours * 3600)
    return change


def another(digits):
    """Says that each block has a hash of its own making."""
    def change(block):
        block["hash"] = block["hash"][:-4] + digits
    return change


def provider(cloud):
    """Bob, a function of an owner at bob, and three endpoints of the chain for him."""
    if not hasattr(cloud, "bob"):
        folder = new_folder("bob")
        cloud.bob = Bob(cloud, folder)
        cloud.owner_home = new_home(cloud, folder / "owner", "default", OWNER)
        usdc = cloud.info["chain"]["usdc"]
        cloud.send(development_account(0).address, usdc, "mint(address,uint256)", OWNER.address, 10 * USDC)
        cloud.send(OWNER.address, usdc, "approve(address,uint256)", cloud.escrow, 10 * USDC)
        cloud.send(OWNER.address, cloud.escrow, "deposit(uint128)", 10 * USDC)
        good(cloud.owner_home, "escrow", "approve", "bob.decloud", "--price", "0.001", "--budget", "1")
        cloud.bob_cid = good(cloud.owner_home, "deploy", project(folder / "fn", "fn"), "--provider", "bob.decloud",
                             "--json").json["cid"]
        cloud.endpoints = [Endpoint(cloud.info["chain"]["rpc"]) for _ in range(3)]
    return cloud.bob


def use(bob, endpoints):
    bob.stop()
    config = bob.home / "config" / "config.toml"
    urls = json.dumps([each.url for each in endpoints])
    text, count = re.subn(r"^rpc = .*$", f"rpc = {urls}", config.read_text(), flags=re.MULTILINE)
    expect_equal(count, 1, f"places of the chain's address in {text}")
    config.write_text(text)
    bob.start()


def not_ready(bob):
    answer = http1.request(bob.url + "/readyz")
    return answer if answer.status == 503 else None


def call(cloud):
    return http1.request(f"{cloud.bob.url}/{cloud.bob_cid}")


def test_a_deploy_right_after_the_money_was_allowed_is_taken(cloud):
    bob = provider(cloud)
    expect("free_bytes = 0\n" in (bob.home / "config" / "config.toml").read_text(), "bob gives room away")
    expect_equal(call(cloud).status, 200, "a call")


def test_a_head_older_than_a_quarter_of_the_close_delay_stops_paid_serving(cloud):
    bob = provider(cloud)
    endpoint = cloud.endpoints[0]
    use(bob, [endpoint])
    expect_equal(call(cloud).status, 200, "before")
    endpoint.change, head = old(5), cloud.chain.head()
    wait_for("heads that are five hours old", lambda: good(bob.home, "provider", "status", "--json").json["chain"]["head"]
             > head + 2, 30)
    expect(bob.is_ready(), "the escrow's close delay is a day")
    endpoint.change = old(7)
    refused = wait_for("readyz to say so", lambda: not_ready(bob), 30)
    expect(re.search(r"head is \d+ s old", refused.json["reason"]), refused.text)
    paid = call(cloud)
    expect(paid.status == 503 and "old" in paid.json["detail"], f"{paid.status} {paid.text}")
    endpoint.change = None
    wait_for("bob to be ready again", bob.is_ready, 30)
    expect_equal(call(cloud).status, 200, "after")


def test_endpoints_that_contradict_each_other_are_dropped(cloud):
    bob = provider(cloud)
    use(bob, cloud.endpoints)
    cloud.endpoints[0].change = another("aaaa")
    wait_for("the first to be dropped", lambda: "not the majority's" in bob.said(), 30)
    expect(cloud.endpoints[0].url in bob.said(), bob.said())
    expect(bob.is_ready(), "two agree")
    expect_equal(call(cloud).status, 200, "with two")
    cloud.endpoints[1].change = another("bbbb")
    refused = wait_for("nobody to be left", lambda: not_ready(bob), 30)
    expect("not the majority's" in refused.json["reason"], refused.text)
    expect_equal(call(cloud).status, 503, "without a majority")
    for each in cloud.endpoints:
        each.change = None
    wait_for("bob to be ready again", bob.is_ready, 30)
    expect_equal(call(cloud).status, 200, "after")
