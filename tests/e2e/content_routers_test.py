"""Delegated routers lead a provider, and the command line, to who has what nobody else gives; they are believed in
nothing."""

import collections
import contextlib
import http.server
import json
import secrets
import threading

import http1
from content_sources_test import Source, call, deploy, spent
from harness import expect, expect_equal, says_what_to_do, wait_for
from providers_test import ready_bob
from strangers_test import configure

ABSENT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


class Router:
    """A router that repeats what a node's says, or does as it is told."""

    def __init__(self, node_url):
        router = self
        self.asked, self.manner = collections.Counter(), "honest"

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                router.asked[self.path.split("?")[0].rsplit("/", 1)[1]] += 1
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    if router.manner == "honest":
                        self.wfile.write(http1.request(node_url + self.path).body)
                    elif router.manner == "endless":
                        while True:
                            self.wfile.write(b" " * 65536)
                    else:
                        self.wfile.write(json.dumps({"Providers": [
                            {"Schema": "peer", "ID": "12D3KooW", "Addrs": [url]} for url in router.manner]}).encode())

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_a_call_is_served_with_what_a_router_led_to(cloud, folder):
    bob, router, liar = ready_bob(cloud, folder), Router(cloud.node_url), Source(cloud.node_url)
    liar.manner = "lies"
    bob.stop()
    configure(bob.home, "provider", content_routers=f'["{router.url}", "http://127.0.0.1:1"]')
    bob.start()
    cid, program = deploy(cloud)
    for _ in range(2):
        expect_equal(call(bob, cid).status, 200, "led to alice")
    expect_equal(router.asked, {cid: 1, program: 1}, "what the router was asked for")
    expect_equal(http1.request(f"{bob.url}/ipfs/{cid}?format=raw").status, 404, "fetched, and not bob's to show")

    first, second = deploy(cloud)[0], deploy(cloud)[0]
    for manner, wanted, status, reason in (
            ("honest", ABSENT, 404, "neither this provider nor"), ("endless", first, 502, "no content source"),
            ([liar.url], second, 502, "sent something else")):
        router.manner = manner
        answer = call(bob, wanted)
        expect_equal(answer.status, status, f"{manner}: {answer.text}")
        detail = says_what_to_do(answer)["detail"]
        expect(reason in detail and router.url not in answer.text and liar.url not in answer.text, answer.text)
    router.manner = [liar.url, "http://127.0.0.1:1", cloud.node_url]
    answer = call(bob, first)
    expect_equal(answer.status, 200, f"alice beside others: {answer.text}")
    wait_for("three calls to be charged, and no more", lambda: spent(bob) == 3000, 10)
    bob.stop()


def test_get_asks_the_router_that_it_is_told(cloud, folder):
    (folder / "file").write_bytes(secrets.token_bytes(3_000_000))
    cid = cloud.good("content", "add", folder / "file", "--json").json["cid"]
    for more in ((), ("--source", "http://127.0.0.1:1")):
        cloud.good("content", "get", cid, "-o", folder / f"copy{len(more)}", "--router", cloud.node_url, *more)
        expect_equal((folder / f"copy{len(more)}").read_bytes(), (folder / "file").read_bytes(), more)
    absent = cloud.cli("content", "cat", ABSENT, "--router", cloud.node_url)
    expect_equal(absent.code, 3, str(absent))
    expect("no router knows a gateway" in absent.err, str(absent))
