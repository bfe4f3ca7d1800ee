"""Quotes: what a node has promised it keeps, whatever becomes of its prices; what a call may count, and what it has counted."""

import base64
import hashlib
import json
import math
import re

import http1
from harness import expect, expect_equal
from opencloud_test import KEYS, Signed, nonces
from policy_test import write
from service_test import added

USDC = 'currency = "USDC"'


def quote(cloud, *units):
    query = "&".join("arg=" + each.replace("=", "%3D") for each in ("call", *units))
    answer = http1.request(cloud.node("oc/v1/compute/quote", "?" + query), "POST")
    expect_equal(answer.status, 200, answer.text)
    return answer


def header(text):
    return {"OpenCloud-Quote": f":{base64.b64encode(text.strip().encode()).decode()}:"}


def hello(cloud, accepted=None):
    return http1.request(cloud.node(cloud.cid("hello")), headers=header(accepted) if accepted else {})


def outcome(answer):
    return answer.status, answer.header("OpenCloud-Status")


def test_a_quote_is_kept_when_the_price_has_risen_and_nothing_else_is_promised(cloud):
    write(cloud, f"[[rule]]\nprice = {{ {USDC}, base = 400 }}\n")
    promised = quote(cloud)
    expect_equal((promised.json["amount"], promised.json["units"]), ("400", {"call": "1"}), promised.text)
    write(cloud, '[[rule]]\nservice = "compute"\nmethod = "call"\n'
                 f'price = {{ {USDC}, base = 900 }}\nmin-payment = {{ {USDC}, amount = 500 }}\n')
    with cloud.costs(900):
        expect_equal(outcome(hello(cloud)), (200, "ok"), "without the quote")
    for _ in range(2):
        with cloud.costs(400):
            answer = hello(cloud, promised.text)
            expect_equal((outcome(answer), answer.text), ((200, "ok"), "hello\n"), "with it")
    with cloud.costs(0):
        changed = {**promised.json, "amount": "1"}
        expect_equal(outcome(hello(cloud, json.dumps(changed))), (400, "client-error.bad-request"), "changed")
        none = hello(cloud, quote(cloud, "call=0").text)
        expect_equal(outcome(none), (402, "request-declined.payment-declined.too-low"), none.text)
        expect_equal({each["amount"] for each in none.json["acceptable"]}, {"900"}, "the price without it")
        write(cloud, "[[rule]]\ndeny = true\n")
        expect_equal(hello(cloud, promised.text).status, 403, "who is served is still the policy's")
    write(cloud, "")


def test_a_quote_that_was_made_for_an_id_is_for_it_alone(cloud):
    known = nonces(cloud, KEYS)
    asked = Signed(cloud, "/oc/v1/compute/quote?arg=call", b"{}", nonces=known).send()
    expect_equal(asked.json["for"], KEYS[0].id, asked.text)
    expect_equal(outcome(hello(cloud, asked.text)), (402, "request-declined.payment-declined.acceptable-payment"), "nobody")
    target = "/" + cloud.cid("hello")
    for key, status in ((KEYS[0], 200), (KEYS[1], 402)):
        fresh = nonces(cloud, [key])
        request = Signed(cloud, target, keys=[key], nonces=fresh, more=header(asked.text))
        expect_equal(request.send().status, status, request.answer.text)


def test_a_call_is_charged_for_what_it_has_counted(cloud):
    rates = {"call": 100, "cpu-second": 20, "gib-second": 170}
    write(cloud, f"[[rule]]\nprice = {{ {USDC}, base = 100, per = {{ cpu-second = 20, gib-second = 170 }} }}\n")
    answer = hello(cloud)
    expect_equal(outcome(answer), (200, "ok"), answer.text)
    counted = dict(re.findall(r"([a-z-]+)=([0-9.]+)", answer.header("OpenCloud-Delivered")))
    expect_equal(set(counted), set(rates), str(counted))
    receipt = http1.request(cloud.node_url + answer.header("X-Decloud-Receipt")).json
    thousandths = {unit: round(float(count) * 1000) for unit, count in counted.items()}
    price = sum(math.ceil(rates[unit] * count / 1000) for unit, count in thousandths.items())
    expect_equal(receipt["amount"], str(price), f"{counted}")
    quoted = quote(cloud, "cpu-second=2", "gib-second=1").json
    expect_equal((quoted["amount"], quoted["price"]["perUnit"]),
                 ("310", {unit: str(amount) for unit, amount in rates.items()}), str(quoted))
    expect_equal(outcome(hello(cloud, quote(cloud).text)),
                 (402, "request-declined.payment-declined.too-low"), "no processor at all")
    write(cloud, '[[rule]]\nmax-work = { unit = "cpu-second", amount = 0 }\n')
    expect_equal(hello(cloud).status, 403, "more than the policy lets a call count")
    write(cloud, "")


def test_the_client_pays_what_was_quoted(cloud, folder):
    added(cloud, folder, "sha256")
    body = folder / "body"
    body.write_bytes(b"decloud" * 1000)
    words = ("request", "alice.decloud", "sha256.hash", "--body", str(body), "--bid", "accept-quote", "--max", "0.001", "-v")
    with cloud.costs(7):
        done = cloud.good(*words)
        expect_equal(done.out, hashlib.sha256(body.read_bytes()).hexdigest() + "\n", done.err)
        expect("quote     0.000007 USDC until" in done.err and "pay 0.000007 USDC" in done.err, done.err)
    with cloud.costs(7):
        done = cloud.good(*words, "--units", "request-kib=10")
        expect("pay 0.00001 USDC" in done.err, done.err)
    expect_equal(cloud.cli(*words, "--units", "request").code, 64, "no UNIT=COUNT")
    unknown = cloud.cli(*words, "--units", "gib=1")
    expect("nothing is charged by" in unknown.err, unknown.err)
