"""Delegated routing: what of a node's content others are led to."""

import json
import secrets

import http1
from harness import expect_equal
from ipfs_test import deploy
from policy_test import write


def ask(cloud, rest, accept="application/json", method="GET"):
    return http1.request(f"{cloud.node_url}/routing/v1/{rest}", method, [("Accept", accept)])


def providers(cloud, cid):
    answer = ask(cloud, f"providers/{cid}")
    expect_equal(answer.status, 200, cid)
    return answer.json["Providers"]


def add(cloud, folder):
    (folder / "file").write_text(secrets.token_hex(16))
    return cloud.good("content", "add", folder / "file", "--json").json["cid"]


def test_a_node_is_the_provider_of_what_it_shows(cloud, folder):
    cid = add(cloud, folder)
    [record] = providers(cloud, cid)
    port = http1.address_of(cloud.node_url)[1]
    expect_equal((record["Schema"], record["Addrs"], record["Protocols"]),
                 ("peer", [f"/ip4/127.0.0.1/tcp/{port}/http"], ["transport-ipfs-gateway-http"]), str(record))
    expect_equal(ask(cloud, f"peers/{record['ID']}").json["Peers"], [record], "as a peer")
    lines = ask(cloud, f"providers/{cid}?filter-protocols=unknown,transport-ipfs-gateway-http", "application/x-ndjson")
    expect_equal((lines.header("Content-Type"), json.loads(lines.text)), ("application/x-ndjson", record), "lines")
    none = ask(cloud, f"providers/{cid}?filter-protocols=transport-bitswap", "application/x-ndjson")
    expect_equal((none.status, none.text), (200, ""), "other protocols")


def test_nobody_is_led_to_what_is_private_denied_or_absent(cloud, folder):
    _, roots = deploy(cloud, folder, "closed")
    for cid in roots:
        expect_equal(providers(cloud, cid), [], "private")
    expect_equal(providers(cloud, "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"), [], "absent")
    expect_equal(providers(cloud, "bafkqaaa"), [], "in the id itself")
    cid = add(cloud, folder)
    expect_equal(len(providers(cloud, cid)), 1, "before")
    write(cloud, f'[[rule]]\ncid = "{cid}"\ndeny = true\n')
    expect_equal(providers(cloud, cid), [], "denied")


def test_what_cannot_be_answered_is_refused(cloud):
    name = "k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r"
    for rest, method, status in (("providers/x", "GET", 422), ("other/x", "GET", 400), ("providers", "PUT", 501),
                                 (f"ipns/{name}", "PUT", 403), (f"ipns/{name}", "GET", 406)):
        expect_equal(ask(cloud, rest, method=method).status, status, f"{method} {rest}")
    expect_equal(ask(cloud, f"ipns/{name}", "application/vnd.ipfs.ipns-record").status, 404, "no record")
    preflight = ask(cloud, f"ipns/{name}", method="OPTIONS")
    expect_equal((preflight.status, preflight.header("Access-Control-Allow-Origin")), (204, "*"), "CORS")
