"""Providers behind a server of theirs that ends TLS: a gateway that dials them shares connections by HTTP/2 where that is
offered, and speaks HTTP/1.1 where it is not."""

import contextlib
import socket
import ssl
import threading

import http1
from edge import Gateway, Listener, make_certificate
from harness import Cloud, expect, expect_equal, in_threads, probe, wait_for
from providers_test import Bob
from tunnel_test import OWNER, fund
from websocket_test import GOOD, talk, upload


class TlsRelay(Listener):
    """Ends TLS and passes bytes on to `target`; keeps which protocol each connection chose."""

    def __init__(self, certificate):
        self.target, self.chosen, self.open = None, [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.offer("h2", "http/1.1")
        super().__init__()
        self.url = f"https://localhost:{self.port}"

    def offer(self, *protocols):
        """From now on; connections that there are end."""
        self.context.set_alpn_protocols(list(protocols))
        self.chosen = []
        for each in self.open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.open = []

    def _serve(self, plain):
        # Others in the registry's list do not trust the certificate.
        with contextlib.suppress(OSError), self.context.wrap_socket(plain, server_side=True) as outer, \
                socket.create_connection(("127.0.0.1", self.target)) as inner:
            self.chosen.append(outer.selected_alpn_protocol())
            self.open.append(outer)
            back = threading.Thread(target=self._pump, args=(inner, outer), daemon=True)
            back.start()
            self._pump(outer, inner)
            back.join()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def test_a_provider_behind_tls_is_dialled_by_http2_where_it_is_offered(cloud, folder):
    certificate = make_certificate(folder)
    relay = TlsRelay(certificate)
    hilda = Bob(cloud, folder, "hilda", registered=relay.url)
    relay.target = hilda.port
    fund(cloud, hilda)
    gateway = Gateway(cloud, folder / "gateway")
    gateway.environment["SSL_CERT_FILE"] = str(certificate[0])
    with gateway, contextlib.closing(relay):
        url = f"http://127.0.0.1:{gateway.port}/p/hilda.decloud"
        through = Cloud(cloud.home)
        through.info = cloud.info | {"provider": {"url": url, "console": "", "address": hilda.account.address,
                                                  "name": "hilda"}}
        cid = through.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})

        def echo(number):
            body = bytes([number]) * (number * 20_000)
            answer = http1.request(f"{url}/{cid}?echo=1", "POST", body=body)
            expect_equal((answer.status, answer.body == body), (200, True), answer.text[:300])

        in_threads(12, echo)
        expect_equal(set(relay.chosen), {"h2"}, "what was spoken")
        expect(len(relay.chosen) <= 2, f"{len(relay.chosen)} connections for what one carries")

        server = upload(through, OWNER, folder)
        expect_equal(talk("http1", f"{url}/{server}")["echoes"], GOOD["echoes"], "a WebSocket")
        expect(None in relay.chosen, f"a WebSocket's connection: {relay.chosen}")

        relay.offer("http/1.1")
        # A request may still meet a connection that ends.
        wait_for("another connection", lambda: http1.request(f"{url}/{cid}").status == 200, 20)
        in_threads(4, echo)
        expect_equal(set(relay.chosen), {"http/1.1"}, "what was spoken")
    hilda.stop()
