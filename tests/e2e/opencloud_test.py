"""Requests that are signed (docs/opencloud.md), made without the program's own code or anybody's library."""

import base64
import hashlib
import re
import time

import ed25519
import http1
from harness import PRICE, expect, expect_equal, request_digest, says_what_to_do

KEYS = [ed25519.Key(bytes([number]) * 32) for number in (1, 2)]
REFRESH = (401, "request-declined.refresh-nonce")
INVALID = (401, "client-error.invalid-signature")


def text_of(data):
    return f":{base64.b64encode(data).decode()}:"


class Signed:
    """A request as it goes over the wire, to be changed on its way."""

    def __init__(self, cloud, target, body=b"", keys=KEYS[:1], nonces=None, audience=None, age=0, payment=None, more=None):
        self.cloud, self.method, self.target, self.body = cloud, "POST" if body else "GET", target, body
        self.headers = {"OpenCloud-Audience": audience or cloud.audience, **(more or {})}
        if payment:
            self.headers["OpenCloud-Payment"] = payment
        if body:
            self.headers["Content-Digest"] = http1.content_digest(body)
        inputs, signatures = [], []
        for label, key in zip("ab", keys):
            parameters = f';created={int(time.time()) - age};keyid="{key.id}"'
            if nonces:
                parameters += f';nonce="{nonces[key.id]}"'
            lines, parameters = self.base(parameters)
            inputs.append(f"{label}={parameters}")
            signatures.append(f"{label}={text_of(key.sign(lines))}")
        self.headers |= {"Signature-Input": ", ".join(inputs), "Signature": ", ".join(signatures)}

    def base(self, parameters):
        path, _, query = self.target.partition("?")
        lines = [("@method", self.method), ("@path", path), ("@query", "?" + query)]
        lines += [(name.lower(), value) for name, value in self.headers.items()]
        parameters = "(" + " ".join(f'"{name}"' for name, _ in lines) + ")" + parameters
        text = "".join(f'"{name}": {value}\n' for name, value in lines) + f'"@signature-params": {parameters}'
        return text.encode(), parameters

    def send(self):
        self.answer = http1.request(self.cloud.node_url + self.target, self.method, self.headers, self.body)
        return self.answer


def outcome(answer):
    return answer.status, answer.header("OpenCloud-Status")


def nonces_of(answer):
    return {did: nonce for nonce, did in
            re.findall(r'"([^"]*)";keyid="([^"]*)"', answer.header("OpenCloud-Nonce") or "")}


def nonces(cloud, keys=KEYS[:1]):
    """New ones, for which a client signs without one."""
    answer = Signed(cloud, hello(cloud), keys=keys).send()
    expect_equal(outcome(answer), REFRESH, answer.text)
    expect(answer.header("WWW-Authenticate") and 'keyid="' in answer.header("Accept-Signature"), f"{answer.headers}")
    says_what_to_do(answer)
    return nonces_of(answer)


def hello(cloud):
    return f"/{cloud.cid('hello')}"


def is_signed_by_the_node(request):
    """The signature `oc` of the answer, by the id in /.well-known/decloud, and to this very request."""
    answer, cloud = request.answer, request.cloud
    parameters = answer.header("Signature-Input").removeprefix("oc=")
    lines = []
    for name, flags in re.findall(r'"([^" ]+)"((?:;tr)?)(?=[ )])', parameters):
        lines.append(f'"{name}"{flags}: {answer.status if name == "@status" else answer.header(name)}')
    base = "\n".join([*lines, f'"@signature-params": {parameters}']).encode()
    for name in ("@status", "content-digest", "opencloud-status", "opencloud-request"):
        expect(f'"{name}"' in parameters, f"{name} is not covered: {parameters}")
    node = cloud.well_known()["node"]["id"]
    expect(f'keyid="{node}"' in parameters, f"not the node's: {parameters}")
    signature = base64.b64decode(answer.header("Signature").removeprefix("oc=").strip(":"))
    expect(ed25519.verify(ed25519.public_of(node), signature, base), f"a wrong signature over {base}")
    digest = base64.b64encode(hashlib.sha256(answer.body).digest()).decode()
    expect(digest in answer.header("Content-Digest"), "the body's digest")
    bound = request_digest(request.method, request.target, request.body, cloud.audience)
    expect_equal(answer.header("OpenCloud-Request"), text_of(bound), "the request it answers")


def test_a_signed_call_is_answered_signed_with_the_next_nonce(cloud):
    known = nonces(cloud)
    with cloud.costs(2 * PRICE):
        for _ in range(2):
            request = Signed(cloud, hello(cloud) + "?a=%41&b=+", b"body", nonces=known)
            answer = request.send()
            expect_equal((outcome(answer), answer.body), ((200, "ok"), b"hello\n"), answer.text)
            is_signed_by_the_node(request)
            known = nonces_of(answer)


def test_two_ids_sign_one_request(cloud):
    request = Signed(cloud, hello(cloud), keys=KEYS, nonces=nonces(cloud, KEYS))
    expect_equal(outcome(request.send()), (200, "ok"), request.answer.text)
    is_signed_by_the_node(request)
    expect_equal(set(nonces_of(request.answer)), {key.id for key in KEYS}, "whom the new nonces are for")
    other = {KEYS[0].id: nonces_of(request.answer)[KEYS[1].id]}
    expect_equal(outcome(Signed(cloud, hello(cloud), nonces=other).send()), REFRESH, "another id's nonce")


def test_a_call_through_the_gateway_is_signed_as_it_was_sent(cloud):
    request = Signed(cloud, f"/p/alice.decloud/{cloud.cid('hello')}", nonces=nonces(cloud))
    request.answer = http1.request(cloud.gateway_url + request.target, "GET", request.headers)
    expect_equal(outcome(request.answer), (200, "ok"), request.answer.text)
    is_signed_by_the_node(request)


def test_what_was_changed_on_its_way_is_refused_and_costs_nothing(cloud):
    def changed(**changes):
        request = Signed(cloud, hello(cloud) + "?n=1", b"body", nonces=nonces(cloud))
        request.headers |= changes.pop("headers", {})
        vars(request).update(changes)
        return request.send()

    with cloud.costs(0):
        for name, changes in {
                "path": {"target": f"/{cloud.cid('thumbnail')}?n=1"}, "query": {"target": hello(cloud) + "?n=2"},
                "query's writing": {"target": hello(cloud) + "?n=%31"}, "method": {"method": "PUT"},
                "signature": {"headers": {"Signature": f"a={text_of(bytes(64))}"}}}.items():
            answer = changed(**changes)
            expect_equal(outcome(answer), INVALID, f"{name}: {answer.text}")
            says_what_to_do(answer)
        expect_equal(outcome(changed(body=b"b0dy")), (400, "client-error.bad-request"), "another body")
        expect_equal(outcome(changed(body=b"b0dy", headers={"Content-Digest": http1.content_digest(b"b0dy")})), INVALID,
                     "another body with its digest")
        expect_equal(outcome(changed(headers={"OpenCloud-Payment": "none"})), INVALID, "an added field")


def test_a_request_for_another_provider_or_time_is_refused(cloud):
    other = "eip155:31337:0x" + "11" * 20
    expect_equal(Signed(cloud, hello(cloud), nonces=nonces(cloud), audience=other).send().status, 421, "audience")
    for age in (31, -60):
        answer = Signed(cloud, hello(cloud), nonces=nonces(cloud), age=age).send()
        expect_equal(outcome(answer), INVALID, answer.text)
        expect("30 s" in says_what_to_do(answer)["detail"] and "set the clock" in answer.text, answer.text)


def test_the_same_bytes_again_are_refused_also_after_a_kill(cloud):
    with cloud.costs(PRICE):
        first = Signed(cloud, hello(cloud), nonces=nonces(cloud))
        expect_equal(outcome(first.send()), (200, "ok"), first.answer.text)
        unused = nonces_of(first.answer)
        expect_equal(outcome(first.send()), REFRESH, "the same bytes again")
    cloud.until_durable()
    cloud.kill_node()
    with cloud.costs(PRICE):
        expect_equal(outcome(first.send()), REFRESH, "the same bytes after a kill")
        answer = Signed(cloud, hello(cloud), nonces=unused).send()
        expect_equal(outcome(answer), REFRESH, "a nonce from before the kill")
        expect_equal(outcome(Signed(cloud, hello(cloud), nonces=nonces_of(answer)).send()), (200, "ok"), "the next one")
