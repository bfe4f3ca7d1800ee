"""TLS and HTTP/2 at the gateway and at the node, as others' clients speak them."""

import pathlib
import signal
import ssl
import subprocess
import tempfile

from edge import Gateway, make_certificate
from harness import expect, expect_equal, wait_for


def curl(*words):
    done = subprocess.run(["curl", "-sS", "--max-time", "30", *words], capture_output=True)
    expect_equal(done.returncode, 0, f"curl {words}: {done.stderr.decode()}")
    return done.stdout


def answer(url, *words):
    """(version, status, body)"""
    out = curl(*words, "-w", "\n%{http_version} %{http_code}", url).decode()
    body, last = out.rsplit("\n", 1)
    version, status = last.split(" ")
    return version, int(status), body


def test_http2_with_prior_knowledge_is_spoken_by_gateway_and_node(cloud):
    for url in (cloud.gateway(cloud.cid("hello")), cloud.node(cloud.cid("hello"))):
        with cloud.costs(2000):
            one, two = answer(url), answer(url, "--http2-prior-knowledge")
        expect_equal((one[0], two[0]), ("1.1", "2"), url)
        expect_equal(one[1:], two[1:], url)


def test_a_large_body_passes_both_ways_over_http2(cloud):
    with tempfile.TemporaryDirectory() as folder:
        body = pathlib.Path(folder) / "body"
        body.write_bytes(b"0123456789abcdef" * 65536 * 3)
        url = f"{cloud.gateway_url}/p/alice.decloud/oc/v1/info/methods"
        version, status, _ = answer(url, "--http2-prior-knowledge", "--data-binary", f"@{body}")
        expect_equal(version, "2", "version")
        expect(status in (200, 413), f"{status}")


def test_tls_is_1_2_or_1_3_with_alpn_and_a_certificate_that_can_be_replaced(cloud):
    with tempfile.TemporaryDirectory(prefix="decloud-tls-") as name:
        folder = pathlib.Path(name)
        files = make_certificate(folder)
        with Gateway(cloud, folder / "gateway", tls=files) as gateway:
            url = f"https://localhost:{gateway.port}/p/alice.decloud/{cloud.cid('hello')}"
            trust = ("--cacert", str(files[0]))
            with cloud.costs(4000):
                expect_equal(answer(url, *trust, "--http2")[:2], ("2", 200), "HTTP/2")
                expect_equal(answer(url, *trust, "--http1.1")[:2], ("1.1", 200), "HTTP/1.1")
                for version in ("1.2", "1.3"):
                    expect_equal(answer(url, *trust, "--tls-max", version)[1], 200, version)
            old = subprocess.run(["curl", "-sS", "--cacert", str(files[0]), "--tls-max", "1.1", url],
                                 capture_output=True)
            expect(old.returncode != 0, "TLS 1.1 was spoken")
            with gateway.connect("http/1.1") as kept:
                before = kept.getpeercert(True)
                make_certificate(folder)
                gateway.process.send_signal(signal.SIGHUP)
                wait_for("the certificate to be read again", lambda: "read again" in gateway.log(), 30)
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                expect(kept.recv(1000).startswith(b"HTTP/1.1 200"), "the open connection")
            with gateway.connect("h2") as fresh:
                expect(fresh.getpeercert(True) != before, "the old certificate")
                expect_equal(fresh.selected_alpn_protocol(), "h2", "ALPN")
            files[1].write_text("nonsense")
            gateway.process.send_signal(signal.SIGHUP)
            wait_for("a complaint", lambda: "the old certificate stays" in gateway.log(), 30)
            with gateway.connect("h2") as fresh:
                expect_equal(fresh.version(), "TLSv1.3", "still served")
            try:
                gateway.connect("spdy/3")
                expect(False, "an unknown protocol was chosen")
            except ssl.SSLError:
                pass
