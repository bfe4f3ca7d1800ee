"""Nodes know each other: from the registry, from configuration and from what they tell one another, by signed records."""

import base64
import http.server
import json
import threading
import time

import ed25519
import http1
from harness import expect, expect_equal, wait_for
from providers_test import Bob


def listed(url, *arguments):
    query = "?" + "&".join(f"arg={argument}" for argument in arguments) if arguments else ""
    answer = http1.request(url + "/oc/v1/peers/list" + query, method="POST")
    expect_equal(answer.status, 200, answer.text)
    return answer.json


def names(url, *arguments):
    return [peer["name"] for peer in listed(url, *arguments)["peers"]]


def encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def claims(record):
    part = record.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(key, name, address):
    """A record as docs/opencloud.md describes it."""
    now = int(time.time())
    header = {"alg": "EdDSA", "kid": key.id, "typ": "opencloud-peer+jwt"}
    body = {"id": key.id, "name": name, "addresses": [address], "services": ["fake"], "issued": now, "expires": now + 600}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, body))
    return text + "." + encoded(key.sign(text.encode()))


class Fake:
    """A node that knows nobody, with any record."""

    def __init__(self):
        fake, self.record, self.asked = self, "", threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.dumps({"self": fake.record, "peers": []}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                fake.asked.set()

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def announce(cloud, record):
    return http1.request(cloud.node_url + "/oc/v1/peers/announce", method="POST", body=record.encode())


def test_providers_of_a_registry_find_each_other(cloud, folder):
    own = claims(listed(cloud.node_url)["self"])
    expect_equal((own["name"], own["addresses"]), ("alice.decloud", [cloud.node_url + "/"]), str(own))
    expect("compute" in own["services"] and "peers" in own["services"], str(own))
    bob = Bob(cloud, folder)
    try:
        wait_for("both to know each other", lambda: "bob.decloud" in names(cloud.node_url) and
                 "alice.decloud" in names(bob.url), 90)
        alice, = (peer for peer in listed(bob.url)["peers"] if peer["name"] == "alice.decloud")
        expect_equal((alice["id"], claims(alice["record"])["id"]), (own["id"], own["id"]), "alice, as bob tells of her")
        expect_equal(names(cloud.node_url, 100, "compute"), ["bob.decloud"], "who offers compute")
        expect_equal(names(cloud.node_url, 1, "nothing"), [], "what nobody offers")
    finally:
        bob.stop()


def test_who_is_announced_is_asked_before_anybody_is_told(cloud):
    liar, honest = Fake(), Fake()
    # The address that is announced answers with another node's record.
    liar.record = listed(cloud.node_url)["self"]
    honest.record = signed(ed25519.Key(bytes([7]) * 32), "honest", honest.url)
    for fake, record in ((liar, signed(ed25519.Key(bytes([8]) * 32), "liar", liar.url)), (honest, honest.record)):
        answer = announce(cloud, record)
        expect_equal((answer.status, answer.json), (200, {"asks": True}), answer.text)
    wait_for("the honest one to be known", lambda: "honest" in names(cloud.node_url), 60)
    expect(liar.asked.wait(30), "the liar was not asked")
    expect_equal(names(cloud.node_url, 100, "fake"), ["honest"], "known")
    expect_equal(announce(cloud, honest.record).json, {"asks": False}, "known already")


def test_what_is_no_record_is_refused(cloud):
    record = signed(ed25519.Key(bytes([9]) * 32), "x", "http://127.0.0.1:1/")
    for wrong in ("", "a.b.c", record[:-4] + "AAAA", "x" * 5000):
        expect(announce(cloud, wrong).status in (400, 413), f"taken: {wrong[:40]}")
    for arguments in (("0",), ("101",), ("x",)):
        answer = http1.request(cloud.node_url + f"/oc/v1/peers/list?arg={arguments[0]}", method="POST")
        expect_equal(answer.status, 400, answer.text)
