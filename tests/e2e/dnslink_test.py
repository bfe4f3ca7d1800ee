"""Domains whose DNS cannot be asked: an error in bounded time, and everything else goes on."""

import contextlib
import socket
import time

import http1
from harness import Cloud, expect, expect_equal, in_threads
from strangers_test import configure

# Far more than a lookup may take, and far less than for ever.
BOUND = 25


@contextlib.contextmanager
def asking(home, servers, **settings):
    configure(home, "provider", dns_servers=servers, **settings)
    with Cloud(home) as cloud:
        yield cloud


def test_without_a_network_a_domain_is_an_error_in_bounded_time(home):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with asking(home, f'["127.0.0.1:{silent.getsockname()[1]}"]') as cloud:
            start = time.monotonic()
            # Who asks at the same time shares one lookup; who asks for something else does not wait for it.
            answers = in_threads(6, lambda index: http1.request(
                f"{cloud.node_url}/ipns/{'a.example' if index < 5 else 'b.example'}", timeout=BOUND))
            expect(time.monotonic() - start < BOUND, "it took too long")
            expect_equal({answer.status for answer in answers}, {504}, answers)
            expect_equal({answer.header("Retry-After") for answer in answers}, {"5"}, "when to come again")
            expect_equal(http1.request(cloud.node_url + "/healthz").status, 200, "the node")


def test_a_node_that_may_not_ask_dns_knows_only_what_it_was_told(home):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with asking(home, f'["127.0.0.1:{server.getsockname()[1]}"]', dnslink="false") as cloud:
            expect_equal(http1.request(f"{cloud.node_url}/ipns/a.example").status, 502, "a domain")
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"DNS was asked: {server.recv(512)}")
