"""A node as its readers' HTTP proxy: tunnels by CONNECT that end in the node, for content only."""

import base64
import subprocess

import http1
from harness import Cloud, clean_environment, expect, expect_equal
from strangers_test import configure

PAGE = b"a website\n"


def identity_cid(data):
    """A cid that is its content."""
    return "b" + base64.b32encode(bytes([1, 0x55, 0, len(data)]) + data).decode().lower().rstrip("=")


def curl(cloud, url, *options):
    done = subprocess.run(["curl", "-sS", "--noproxy", "", "-x", cloud.node_url, "-w", "%{http_connect} %{http_code}",
                           *options, url], capture_output=True, timeout=30, env=clean_environment(), check=False)
    body, _, codes = done.stdout.rpartition(b"\n")
    return body, codes.decode().split()


def in_a_tunnel(cloud, authority, method, target, headers=()):
    """The answer to a request through a tunnel to `authority`, whose Host is that."""
    with http1.Connection(http1.address_of(cloud.node_url)) as connection:
        connection.send(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        opened = connection.head()
        expect_equal(opened.status, 200, authority)
        connection.send(http1.request_bytes(method, target, authority, headers))
        return connection.response()


def test_tunnels_lead_to_content_and_nowhere_else(home):
    configure(home, "provider", http_proxy="true")
    environment = clean_environment(IPFS_NS_MAP=f"site.example:/ipfs/{identity_cid(PAGE)}")
    with Cloud(home, environment=environment) as cloud:
        (home / "page.txt").write_text("by subdomain\n")
        cid = cloud.good("content", "add", home / "page.txt").out.strip()
        for host, content in (("site.example", PAGE), (f"{cid}.ipfs.localhost", b"by subdomain\n")):
            expect_equal(curl(cloud, f"http://{host}/", "-p"), (content[:-1], ["200", "200"]), f"a tunnel to {host}")
            expect_equal(curl(cloud, f"http://{host}/"), (content[:-1], ["000", "200"]), f"{host} without a tunnel")
        for elsewhere in ("other.example", "site.example:22", "169.254.169.254", http1.address_of(cloud.gateway_url)):
            elsewhere = elsewhere if isinstance(elsewhere, str) else "{}:{}".format(*elsewhere)
            expect_equal(curl(cloud, f"http://{elsewhere}/", "-p")[1][0], "403", elsewhere)

        own = "{}:{}".format(*http1.address_of(cloud.node_url))
        expect_equal(in_a_tunnel(cloud, own, "GET", f"/ipfs/{cid}").text, "by subdomain\n", "by its path")
        forwarded = [("X-Forwarded-Host", f"{cid}.ipfs.localhost"), ("Forwarded", "for=192.0.2.1")]
        with cloud.costs(0):
            for method, target in (("GET", f"/{cloud.cid('hello')}"), ("POST", "/oc/v1/info/tell"), ("GET", "/"),
                                   ("GET", "/healthz"), ("GET", "/routing/v1/providers/" + cid)):
                answer = in_a_tunnel(cloud, own, method, target, forwarded)
                expect_equal((answer.status, answer.text), (403, "only content comes through a tunnel\n"), target)
