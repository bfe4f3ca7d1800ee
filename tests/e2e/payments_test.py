"""A caller who pays for itself: what it signs is used once, for one request, at no higher price."""

import hashlib
import os
import time

import http1
from ethereum import Account, development_account
from harness import (PRICE, expect, expect_equal, in_threads, payment, probe, request_digest, says_what_to_do,
                     wait_for)

CALLER = development_account(3)
OTHER = development_account(4)


def function(cloud):
    """A function whose owner pays for nobody, and a caller with a channel."""
    if not hasattr(cloud, "paid_cid"):
        cloud.paid_cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                                      ownerPays={"callers": "none", "perDay": 1000},
                                      limits={"requestBytes": 4 << 20})
        cloud.fund(CALLER, 200 * PRICE)
    return cloud.paid_cid


def post(url, paid, body=b"", headers=()):
    return http1.request(url, "POST", [("OpenCloud-Payment", paid), *headers], body)


def url_of(cloud, rest="?echo=1"):
    return cloud.node(function(cloud), rest)


def signed(cloud, url, body=b"", payer=CALLER, **changes):
    return cloud.authorization(payer, "POST", http1.target_of(url), body, **changes)


def refused(cloud, status, url, paid, body=b"", headers=()):
    with cloud.costs(0, CALLER.address):
        answer = post(url, paid, body, headers)
    expect(answer.status in (status if isinstance(status, tuple) else (status,)), f"{answer.status}: {answer.text}")
    return says_what_to_do(answer)


def test_a_caller_pays_from_its_own_channel(cloud):
    body = b"mine"
    for url in (cloud.node(function(cloud), "/x?echo=1"), cloud.gateway(function(cloud), "/x?echo=1"),
                cloud.subdomain(function(cloud), "/x?echo=1")):
        with cloud.costs(PRICE, CALLER.address), cloud.costs(0):
            answer = post(url, signed(cloud, url, body), body)
        expect_equal((answer.status, answer.body), (200, body), url)
        receipt = http1.request(cloud.node_url + answer.receipt).json
        expect_equal(receipt["requestDigest"].removeprefix("0x"),
                     digest_of(cloud, "POST", http1.target_of(url), body), "request digest")


def digest_of(cloud, method, target, body):
    return request_digest(method, target, body, cloud.audience).hex()


def test_an_answer_that_was_paid_for_is_signed(cloud):
    url = url_of(cloud)
    answer = post(url, signed(cloud, url, b"x"), b"x")
    expect(answer.header("Signature") and answer.header("Signature-Input"), f"{answer.headers} {answer.trailers}")
    expect_equal(answer.header("Content-Digest"), http1.content_digest(b"x"), "digest")


def test_a_repeat_gets_the_same_answer_and_is_not_charged(cloud):
    url, body = url_of(cloud), os.urandom(100)
    paid = signed(cloud, url, body)
    first = post(url, paid, body)
    with cloud.costs(0, CALLER.address):
        again = [post(url, paid, body) for _ in range(3)]
    for each in again:
        expect_equal((each.status, each.body, each.receipt), (200, body, first.receipt), "a repeat")


def test_a_repeat_of_a_large_answer_is_409_with_its_receipt(cloud):
    url = url_of(cloud, "?bytes=100000")
    paid = signed(cloud, url)
    first = post(url, paid)
    expect_equal((first.status, len(first.body)), (200, 100_000), "first")
    body = refused(cloud, 409, url, paid)
    expect_equal(body["receipt"], first.receipt, "receipt")


def test_twenty_at_once_with_one_authorisation_are_charged_once(cloud):
    url, body = url_of(cloud), os.urandom(64)
    paid = signed(cloud, url, body)
    with cloud.costs(PRICE, CALLER.address):
        answers = in_threads(20, lambda _: post(url, paid, body))
    for answer in answers:
        expect(answer.status in (200, 409), f"{answer.status} {answer.text}")
        expect(answer.status == 409 or answer.body == body, "another answer")
    expect(any(answer.status == 200 for answer in answers), "nobody was answered")


def test_an_authorisation_cannot_be_moved_to_another_request(cloud):
    url, body = url_of(cloud), b"body"
    paid = signed(cloud, url, body)
    refused(cloud, 401, url, paid, b"other body")
    refused(cloud, 401, url + "&more=1", paid, body)
    refused(cloud, 401, cloud.node(function(cloud), "/elsewhere?echo=1"), paid, body)
    refused(cloud, 401, cloud.gateway(function(cloud), "?echo=1"), paid, body)
    with cloud.costs(0, CALLER.address):
        answer = http1.request(url, "PUT", {"OpenCloud-Payment": paid}, body)
    expect_equal(answer.status, 401, "another method")
    expect(answer.header("WWW-Authenticate"), f"a 401 without WWW-Authenticate: {answer.headers}")
    with cloud.costs(PRICE, CALLER.address):
        expect_equal(post(url, paid, body).status, 200, "where it belongs")


def test_a_body_that_only_claims_to_be_the_signed_one_is_refused(cloud):
    url, body = url_of(cloud), b"body"
    paid, digest = signed(cloud, url, body), [("Content-Digest", http1.content_digest(body))]
    refused(cloud, 400, url, paid, b"other body", digest)
    with cloud.costs(PRICE, CALLER.address):
        expect_equal(post(url, paid, body, digest).status, 200, "the payment is not used up by what was refused")


def test_an_authorisation_for_another_provider_or_signer_is_401(cloud):
    url = url_of(cloud)
    refused(cloud, 401, url, signed(cloud, url, provider=OTHER.address))
    pretender = type("Pretender", (), {"address": CALLER.address, "sign": Account.fresh().sign})()
    refused(cloud, 401, url, signed(cloud, url, payer=pretender))
    statement = cloud.domain.sign(CALLER, "CallAuthorization", {
        "payer": CALLER.address, "provider": cloud.provider,
        "requestDigest": "0x" + digest_of(cloud, "POST", http1.target_of(url), b""), "maxPrice": PRICE,
        "nonce": "0x" + os.urandom(32).hex(), "validBefore": int(time.time()) + 100})
    for change in ({"maxPrice": 10 * PRICE}, {"nonce": "0x" + "1" * 64}, {"validBefore": statement["validBefore"] + 1}):
        refused(cloud, 401, url, payment(statement | change))


def test_a_payment_that_is_not_valid_is_refused_before_its_body_is_read(cloud):
    url = url_of(cloud)
    host, port = http1.address_of(url)
    paid = signed(cloud, url, b"x" * 1000, provider=OTHER.address)
    with http1.Connection((host, port)) as connection:
        connection.send(http1.request_bytes("POST", http1.target_of(url), f"{host}:{port}", [
            ("OpenCloud-Payment", paid), ("Content-Length", "1000")], length=False))
        expect_equal(connection.response().status, 401, "without a byte of the body")


def test_an_authorisation_has_its_time(cloud):
    url, now = url_of(cloud), int(time.time())
    refused(cloud, 401, url, signed(cloud, url, validBefore=now - 1))
    refused(cloud, 401, url, signed(cloud, url, validBefore=now + 1200))


def test_the_price_is_never_more_than_was_signed(cloud):
    url = url_of(cloud)
    body = refused(cloud, 402, url, signed(cloud, url, max_price=PRICE - 1))
    expect("more than" in body["detail"], body)
    with cloud.costs(PRICE, CALLER.address):
        expect_equal(post(url, signed(cloud, url, max_price=1000 * PRICE)).status, 200, "a generous caller pays the price")


def test_a_refused_payment_never_falls_back_on_the_owner(cloud):
    url = cloud.node(cloud.cid("hello"))
    pauper = Account.fresh()
    with cloud.costs(0):
        answer = http1.request(url, headers={"OpenCloud-Payment": cloud.authorization(
            pauper, "GET", http1.target_of(url))})
        expect_equal(answer.status, 402, answer.text)
        for header in ("attached;method=\"bitcoin\";payload=:AAAA:", "defer"):
            answer = http1.request(url, headers={"OpenCloud-Payment": header})
            expect_equal(answer.status, 402, header)
        for header in ("nonsense", "attached", "attached;method=\"authorization\"", "attached;method=\"authorization\";payload=:e30=:"):
            answer = http1.request(url, headers={"OpenCloud-Payment": header})
            expect_equal(answer.status, 400, header)
        answer = http1.request(url, headers=[("OpenCloud-Payment", "none"), ("OpenCloud-Payment", "none")])
        expect_equal(answer.status, 400, "two payments")


def test_a_listed_caller_calls_at_the_owners_cost(cloud):
    function(cloud)
    cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                       ownerPays={"callers": [CALLER.address], "perDay": 2})
    url = cloud.node(cid, "?echo=1")
    with cloud.costs(2 * PRICE), cloud.costs(0, CALLER.address):
        answers = [post(url, signed(cloud, url, max_price=0)).status for _ in range(3)]
        answers += [post(url, signed(cloud, url, payer=OTHER, max_price=0)).status, http1.request(url).status]
    expect_equal(answers, [200, 200, 402, 402, 402], "answers")


def test_a_large_paid_body_needs_its_digest_and_streams(cloud):
    url, body = url_of(cloud), hashlib.shake_128(b"x").digest(3 << 20)
    refused(cloud, 413, url, signed(cloud, url, body), body)
    digest = [("Content-Digest", http1.content_digest(body))]
    with cloud.costs(PRICE, CALLER.address):
        answer = post(url, signed(cloud, url, body), body, digest)
    expect_equal((answer.status, answer.body == body), (200, True), "three mebibytes")
    other = body[:-1] + bytes([body[-1] ^ 1])
    answer = post(url, signed(cloud, url, body), other, digest)
    expect_equal(answer.status, 400, "a body that is not what was signed")


def test_decloud_call_pays_with_an_account_of_its_own(cloud, folder):
    url_of(cloud)
    key = folder / "key"
    key.write_text(f"0x{CALLER.secret:064x}\n")
    cloud.good("account", "import", "caller", "--file", key)
    with cloud.costs(PRICE, CALLER.address), cloud.costs(0):
        done = cloud.good("call", function(cloud) + "?echo=1", "--provider", "alice.decloud", "--pay",
                      "--account", "caller", "-d", "paid by me")
    expect_equal(done.out, "paid by me", "answer")
    done = cloud.cli("call", function(cloud) + "?echo=1", "--provider", "alice.decloud", "-d", "x")
    expect_equal(done.code, 5, str(done))
    expect("decloud " in done.err, f"no command that helps: {done}")


def test_decloud_call_says_who_calls_where_the_owner_pays_for_that_caller(cloud, folder):
    function(cloud)
    cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                       ownerPays={"callers": [CALLER.address], "perDay": 5})
    key = folder / "key"
    key.write_text(f"0x{CALLER.secret:064x}\n")
    cloud.good("account", "import", "listed", "--file", key)
    with cloud.costs(PRICE), cloud.costs(0, CALLER.address):
        done = cloud.good("call", cid + "?echo=1", "--provider", "alice.decloud", "--pay", "--max-price", "0",
                          "--account", "listed", "-d", "it is me")
    expect_equal(done.out, "it is me", "answer")


def test_used_nonces_stay_used_after_kill_9_of_the_node(cloud):
    url, body = url_of(cloud), os.urandom(32)
    paid = signed(cloud, url, body)
    first = post(url, paid, body)
    expect_equal(first.status, 200, "first")
    cloud.settle()
    cloud.kill_node()
    with cloud.costs(0, CALLER.address):
        answer = post(url, paid, body)
    expect_equal(answer.status, 409, answer.text)
    expect_equal(answer.json["receipt"], first.receipt, "receipt")
    with cloud.costs(PRICE, CALLER.address):
        expect_equal(post(url, signed(cloud, url, body), body).status, 200, "a new one")


def test_leaving_a_channel_stops_serving_and_gives_the_rest_back(cloud):
    leaver = development_account(5)
    function(cloud)
    cloud.fund(leaver, 10 * PRICE)
    url = url_of(cloud)
    for _ in range(3):
        expect_equal(post(url, signed(cloud, url, payer=leaver)).status, 200, "before")
    channel = cloud.on_chain(leaver.address)["id"]
    cloud.send(leaver.address, cloud.escrow, "requestClose(bytes32)", channel)
    wait_for("the provider to claim before the channel closes",
             lambda: cloud.channel(channel)["claimed"] == 3 * PRICE, 30)
    wait_for("the node to refuse", lambda: post(url, signed(cloud, url, payer=leaver)).status == 402, 20)
