"""WebSockets and server-sent events of a warm server: at the node, through the gateway and through a tunnel, over
HTTP/1.1 and by HTTP/2's extended CONNECT, as others' clients speak them."""

import json
import pathlib
import socket
import subprocess

import http1
from edge import Gateway, make_certificate
from harness import PRICE, expect, expect_equal, in_threads, probe, wait_for
from server_test import expect_one_by_one
from tunnel_test import OWNER, Tunnelled, fund

HERE = pathlib.Path(__file__).resolve().parent
# Debian's Python sees Debian's packages.
PYTHON = "/usr/bin/python3"
GOOD = {"subprotocol": "chat", "echoes": [True] * 4, "close": [4321, "bye"]}


def compiled(folder):
    target = folder / "websocket_echo"
    subprocess.run(["clang-19", "-O1", "-D_GNU_SOURCE", "-static", "-pthread", "-o", str(target),
                    str(HERE / "programs" / "websocket_echo.c")], check=True)
    return target


def upload(cloud, owner, folder):
    """As long as a provider lets a server answer unless it says otherwise."""
    manifest = {"name": "echo", "runtime": "server", "entry": "websocket_echo", "output": "auto",
                "limits": {"wallMilliseconds": 15_000, "memoryBytes": 128 << 20, "processes": 64,
                           "requestBytes": 10 << 20, "responseBytes": 10 << 20, "tmpBytes": 1 << 20},
                "server": {"concurrency": 16, "idleMilliseconds": 60_000}}
    return cloud.upload(owner, {"websocket_echo": compiled(folder).read_bytes()}, manifest=manifest)


def talk(kind, url):
    done = subprocess.run([PYTHON, str(HERE / "websocket_client.py"), kind, url], capture_output=True, timeout=200)
    expect_equal(done.returncode, 0, f"{kind} {url}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout)


def expect_echo(url):
    for kind in ("http1", "http2"):
        seen = talk(kind, url)
        expect_equal(seen.pop("accept", None), None, "no key was sent, so none is accepted")
        expect_equal(seen, GOOD, f"{kind} {url}")
        expect_equal(talk(kind, url + "/refuse"), {"status": 403}, f"{kind} {url}")


def test_websockets_reach_a_server_by_node_and_gateway_and_each_is_one_paid_call(cloud, folder):
    cloud.fund(OWNER, PRICE * 100)
    cid = upload(cloud, OWNER, folder)
    for url in (cloud.node(cid), cloud.gateway(cid)):
        with cloud.costs(4 * PRICE, OWNER.address):
            expect_echo(url)
    with cloud.costs(8 * PRICE, OWNER.address):
        for seen in in_threads(8, lambda number: talk(f"http{number % 2 + 1}", cloud.gateway(cid))):
            expect_equal(seen["echoes"], GOOD["echoes"], "one of several at a time")


def test_websockets_and_events_pass_through_a_tunnel(cloud, folder):
    files = make_certificate(folder)
    with Gateway(cloud, folder / "gateway", tls=files) as gateway:
        url = f"https://localhost:{gateway.port}"
        tara = Tunnelled(cloud, folder, "tara", [cloud.gateway_url, url],
                         environment={"SSL_CERT_FILE": str(files[0])})
        wait_for("tara to be reached", lambda: tara.is_reached(cloud.gateway_url), 60)
        wait_for("tara to be reached by both", lambda: tara.log().count("is reached through") > 1, 60)
        fund(cloud, tara)
        cid = upload(tara.as_seen_by(cloud, cloud.gateway_url), OWNER, folder)
        expect_echo(f"{cloud.gateway_url}/p/{tara.name}/{cid}")
        expect_echo(f"{url}/p/{tara.name}/{cid}")
        expect_one_by_one(f"{cloud.gateway_url}/p/{tara.name}/{cid}/ticks", b"tick 3\n")
        tara.stop()


def test_who_leaves_a_websocket_pays_once_and_holds_nothing(cloud, folder):
    cloud.fund(OWNER, PRICE * 100)
    cid = upload(cloud, OWNER, folder)
    host, port = http1.address_of(cloud.gateway_url)
    head = (f"GET /p/alice/{cid} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
    with cloud.costs(PRICE, OWNER.address), socket.create_connection((host, port), 30) as connection:
        connection.sendall(head)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(4096)
        expect(answer.startswith(b"HTTP/1.1 101"), answer)
        expect(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer, answer)
        connection.close()


def test_a_program_that_is_no_server_answers_as_ever(cloud, folder):
    cloud.fund(OWNER, PRICE * 100)
    cid = cloud.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
    with cloud.costs(2 * PRICE, OWNER.address):
        for kind in ("http1", "http2"):
            expect_equal(talk(kind, cloud.gateway(cid)), {"status": 200 if kind == "http1" else 501}, kind)
