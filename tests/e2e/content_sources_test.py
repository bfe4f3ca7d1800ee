"""A provider that lacks what a call needs fetches it from its content sources, which are believed in nothing."""

import collections
import contextlib
import http.client
import http.server
import re
import secrets
import threading

import http1
from harness import expect, expect_equal, in_threads, probe, says_what_to_do, wait_for
from providers_test import OWNER, good, ready_bob
from strangers_test import configure

CALLERS = 8


class Source:
    """A gateway in front of a node's, which counts what it is asked for and does as it is told."""

    def __init__(self, node_url):
        source, host = self, http1.address_of(node_url)
        self.asked, self.manner = collections.Counter(), "honest"

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                source.asked[re.match(r"/ipfs/(\w+)", self.path)[1]] += 1
                connection = http.client.HTTPConnection(*host)
                connection.request("GET", self.path, headers={"Accept": self.headers["Accept"]})
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
                if source.manner == "lies":
                    body = body[:-1] + bytes([body[-1] ^ 1])
                elif source.manner != "honest":
                    status, body = source.manner, b"no"
                self.send_response(status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextlib.contextmanager
def bob_with_a_source(cloud, folder, name="bob"):
    bob, source = ready_bob(cloud, folder, name=name), Source(cloud.node_url)
    bob.stop()
    configure(bob.home, "provider", content_sources=f'["{source.url}"]')
    bob.start()
    yield bob, source
    bob.stop()


def deploy(cloud, **spec):
    """A public deployment that only alice has, like no other; its cid and its program's."""
    files = {"probe": probe("native").read_bytes(), "unique": secrets.token_bytes(16)}
    before = {pin["root"] for pin in cloud.good("content", "list", "--json").json["pins"]}
    cid = cloud.upload(OWNER, files, runtime="native", entry="probe", **spec)
    roots = {pin["root"] for pin in cloud.good("content", "list", "--json").json["pins"]} - before
    program, = roots - {cid}
    return cid, program


def spent(bob):
    status = http1.unix_request(str(bob.home / "state" / "node.sock"), "GET", "/operator/status").json
    return sum(int(channel["spent"]) + int(channel["held"]) for channel in status["channels"])


def call(bob, cid):
    return http1.request(f"{bob.url}/{cid}?text=hello")


def test_what_a_call_needs_is_fetched_once_however_many_wait(cloud, folder):
    with bob_with_a_source(cloud, folder) as (bob, source):
        cid, program = deploy(cloud)
        for answer in in_threads(CALLERS, lambda _: call(bob, cid)):
            expect_equal(answer.status, 200, answer.text)
        expect_equal(source.asked, {cid: 1, program: 1}, "what the source was asked for")
        wait_for("the calls to be charged", lambda: spent(bob) == CALLERS * 1000, 10)
        expect_equal(http1.request(f"{bob.url}/ipfs/{cid}?format=raw").status, 404, "fetched, and not bob's to show")
        held = good(bob.home, "content", "gc", "--json").json
        expect_equal(held["blocks"], 0, "fetched just now")
        collected = good(bob.home, "content", "gc", "--min-age", "0", "--json").json
        expect(collected["blocks"] >= 2, f"what was fetched is pinned by nobody: {collected}")
        bob.stop()
        bob.start()
        expect_equal((call(bob, cid).status, source.asked[cid]), (200, 2), "fetched anew")


def test_a_source_that_lies_or_lacks_it_costs_nobody_anything(cloud, folder):
    with bob_with_a_source(cloud, folder, "carol") as (bob, source):
        cid, program = deploy(cloud)
        large = folder / "large"
        large.write_bytes(secrets.token_bytes(5 << 20))
        too_large = cloud.good("content", "add", large, "--json").json["cid"]
        for manner, wanted, status, reason in (
                ("lies", cid, 502, "sent something else"), (404, cid, 404, "neither this provider nor"),
                (500, cid, 502, "no content source"), ("honest", too_large, 502, "more than the")):
            source.manner = manner
            answer = call(bob, wanted)
            expect_equal(answer.status, status, f"{manner}: {answer.text}")
            expect(reason in says_what_to_do(answer)["detail"] and source.url not in answer.text, answer.text)
        expect_equal(spent(bob), 0, "charged")
        source.asked.clear()
        answer = http1.request(f"{bob.url}/oc/v1/compute/describe?arg={cid}", method="POST")
        expect_equal((answer.json["runs"], source.asked), (False, {}), "who only asks whether it runs here")
        expect_equal(call(bob, cid).status, 200, "once a source has it")
        expect_equal(source.asked, {cid: 1, program: 1}, "what the source was asked for")
