"""Content by domains, whose TXT records dnsmasq has: from decloud and from Kubo."""

import contextlib
import http.server
import os
import pathlib
import pwd
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))
sys.path.insert(0, str(HERE.parent / "kubo"))

import http1  # noqa: E402
from edge import make_certificate  # noqa: E402
from harness import Cloud, Failure, copied_home, ends_with_parent, expect, expect_equal, wait_for  # noqa: E402
from kubo import Kubo  # noqa: E402
from providers_test import free_port  # noqa: E402
from strangers_test import configure  # noqa: E402
from suites import run_tests  # noqa: E402

TTL = 77
# Longer than a datagram may be: the answer has to be asked for by TCP.
FILLER = ["v=filler " + str(number) + " x" * 100 for number in range(12)]


def question_for(name):
    """A DNS message that asks for the TXT records of `name`."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\x10\0\1"


class DnsMasq:
    """A DNS server that knows `texts`, (name, text) each, and says of every other name below `example` that it is not. Of
    `silent.example` it asks a server that says nothing."""

    def __init__(self, folder, texts, stack):
        self.silence = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.silence.bind(("127.0.0.1", 0))
        self.port = free_port()
        # A text's strings hold at most 255 bytes each.
        records = [f"--txt-record={name}," + ",".join(text[at:at + 250] for at in range(0, len(text), 250))
                   for name, text in texts]
        self.log = open(folder / "dnsmasq.log", "w+b")
        self.process = subprocess.Popen(
            ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
             f"--user={pwd.getpwuid(os.getuid()).pw_name}", f"--port={self.port}", "--listen-address=127.0.0.1",
             "--bind-interfaces", "--cache-size=0", f"--local-ttl={TTL}", "--local=/example/",
             f"--server=/silent.example/127.0.0.1#{self.silence.getsockname()[1]}", *records],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=ends_with_parent)
        stack.callback(self.stop)
        wait_for("dnsmasq to answer", lambda: self.ask(question_for("ready.example")))

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, message, timeout=0.5):
        expect(self.process.poll() is None, lambda: f"dnsmasq ended: {pathlib.Path(self.log.name).read_text()}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, contextlib.suppress(OSError):
            client.settimeout(timeout)
            client.connect(("127.0.0.1", self.port))
            client.send(message)
            return client.recv(65535)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


def https_in_front(dns, folder, stack):
    """RFC 8484 in front of `dns`, which Kubo wants; its URL and certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            answer = dns.ask(self.rfile.read(int(self.headers["Content-Length"])), 10)
            self.send_response(200)
            self.send_header("Content-Type", "application/dns-message")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *words):
            pass

    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    return f"https://localhost:{server.server_port}/dns-query", certificate


class Suite:
    def __init__(self, program, folder, stack):
        home = copied_home()
        tree = folder / "tree" / "sub"
        tree.mkdir(parents=True)
        (tree / "a.txt").write_text("by a domain\n")
        (tree.parent / "index.html").write_text("a page\n")
        with Cloud(home) as cloud:
            self.cid = cloud.good("content", "add", tree.parent).out.strip()
        self.dns = DnsMasq(folder, [
            ("_dnslink.plain.example", f"dnslink=/ipfs/{self.cid}"),
            ("plain.example", "dnslink=/ipfs/bafkqaaa"),
            ("above.example", f"dnslink=/ipfs/{self.cid}"),
            ("_dnslink.path.example", "dnslink=/ipns/plain.example/sub"),
            ("_dnslink.mixed.example", "dnslink=https://example.org"),
            ("_dnslink.mixed.example", f"dnslink=/ipfs/{self.cid}"),
            ("_dnslink.mixed.example", "v=spf1 -all"),
            ("_dnslink.several.example", "dnslink=/ipns/plain.example"),
            ("_dnslink.several.example", f"dnslink=/ipfs/{self.cid}"),
            *(("_dnslink.long.example", text) for text in FILLER),
            ("_dnslink.long.example", f"dnslink=/ipfs/{self.cid}"),
            ("_dnslink.other.example", "v=spf1 -all"),
            ("_dnslink.circle.example", "dnslink=/ipns/circle.example"),
        ], stack)
        configure(home, "provider", dns_servers=f'["{self.dns.address}"]', websites='["plain.example", "none.example"]')
        self.cloud = stack.enter_context(Cloud(home))
        url, certificate = https_in_front(self.dns, folder, stack)
        self.kubo = Kubo(program, folder / "kubo", config=(("DNS.Resolvers", {".": url}),))
        self.kubo.environment["SSL_CERT_FILE"] = str(certificate)

    def get(self, path, host="127.0.0.1", headers=()):
        with http1.Connection(http1.address_of(self.cloud.node_url)) as connection:
            connection.send(http1.request_bytes("GET", path, host, headers))
            return connection.response()

    def test_a_domain_leads_to_its_content_for_as_long_as_its_record_says(self):
        found = self.get("/ipns/plain.example/sub/a.txt")
        expect_equal((found.status, found.text), (200, "by a domain\n"), found)
        expect(0 < int(found.header("Cache-Control").removeprefix("public, max-age=")) <= TTL, found.headers)

    def test_kubo_resolves_the_same(self):
        for name in ("plain", "mixed", "path"):
            expect_equal(self.kubo.text("name", "resolve", f"/ipns/{name}.example"),
                         f"/ipfs/{self.cid}" + ("/sub" if name == "path" else ""), name)
            roots = self.get(f"/ipns/{name}.example/").header("X-Ipfs-Roots")
            expect(roots.startswith(self.cid), f"{name}: {roots}")

    def test_kubo_refuses_the_same(self):
        for name in ("none", "other", "above", "several", "circle"):
            expect(self.get(f"/ipns/{name}.example/").status >= 400, name)
            try:
                found = self.kubo.text("name", "resolve", f"/ipns/{name}.example")
            except Failure:
                continue
            raise Failure(f"Kubo has {name}.example lead to {found}")

    def test_a_domain_leads_over_another_and_its_path(self):
        expect_equal(self.get("/ipns/path.example/a.txt").text, "by a domain\n", "over plain.example")

    def test_records_that_lead_to_no_content_are_passed_over(self):
        expect_equal(self.get("/ipns/mixed.example/sub/a.txt").text, "by a domain\n", "of three")

    def test_an_answer_that_is_too_long_for_a_datagram_comes_by_tcp(self):
        expect(self.dns.ask(question_for("_dnslink.long.example"))[2] & 2, "it fits")
        expect_equal(self.get("/ipns/long.example/sub/a.txt").text, "by a domain\n", "of thirteen")

    def test_a_website_is_answered_where_its_domain_is_the_host(self):
        page = self.get("/", "plain.example")
        expect_equal((page.status, page.text), (200, "a page\n"), page)
        expect_equal(self.get("/sub/a.txt", "Plain.Example:80").text, "by a domain\n", "below it")
        expect_equal(self.get("/", "none.example").status, 404, "a website without a record")
        expect_equal(self.get("/healthz", "path.example").status, 200, "no website here")

    def test_a_subdomain_leads_to_a_domain(self):
        port = http1.address_of(self.cloud.node_url)[1]
        found = self.get("/sub/a.txt", f"plain-example.ipns.localhost:{port}")
        expect_equal((found.status, found.text), (200, "by a domain\n"), found)

    def test_what_leads_nowhere_says_so(self):
        for name, status in (("none.example", 404), ("other.example", 404), ("above.example", 404),
                             ("several.example", 502), ("circle.example", 400),
                             ("unknown.invalid", 502), ("under_score..example", 400)):
            found = self.get(f"/ipns/{name}")
            expect_equal(found.status, status, f"{name}: {found.text}")
            expect_equal(found.header("Cache-Control"), "no-store", name)
            expect(name in found.text or status == 400, found.text)
            expect_equal(found.header("Retry-After") is not None, name == "unknown.invalid", name)

    def test_a_server_that_says_nothing_is_a_504(self):
        found = self.get("/ipns/silent.example")
        expect_equal((found.status, found.header("Retry-After")), (504, "5"), found.text)

    def test_who_asks_for_what_is_known_only_has_no_dns_asked(self):
        for name, status in (("plain.example", 200), ("unasked.example", 412)):
            found = self.get(f"/ipns/{name}/", headers=[("Cache-Control", "only-if-cached")])
            expect_equal(found.status, status, f"{name}: {found.text}")


def main():
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="decloud-dnslink-", ignore_cleanup_errors=True)))
        os.environ.setdefault("DECLOUD_TEST_FOLDER", str(folder))
        return run_tests(Suite(sys.argv[1], folder, stack))


if __name__ == "__main__":
    sys.exit(main())
