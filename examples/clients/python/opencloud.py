#!/usr/bin/env python3
"""A small client of OpenCloud, written from docs/opencloud.md.

  opencloud.py [--key FILE.pem]… [--provider ADDRESS] [--account HEX] [--bid AMOUNT] [--max AMOUNT] [--defer]
               [--method M] [--body FILE] URL

Signs a call with keys (Ed25519 or P-256, as `openssl genpkey` makes them), checks the node's signed answer and prints its
body. With an account's private key it pays, at most AMOUNT of the currency's smallest unit, where the node asks for it.
Without --provider the node says itself whose it is.
"""

import argparse
import base64
import hashlib
import http.client
import json
import pathlib
import secrets
import sys
import time
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

import fields
from account import Account, signer_of, typed_digest

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ED25519, P256 = b"\xed\x01", b"\x80\x24"
ANSWER_COVERS = ["@status", "content-digest", "opencloud-status", "opencloud-request"]


class Refused(Exception):
    """The node's answer is no success, or cannot be trusted."""

    def __init__(self, reason, answer=None):
        super().__init__(reason)
        self.answer = answer


# Ids (§2): did:key.


def to_did(code, raw):
    number, text = int.from_bytes(code + raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "did:key:z" + text


def public_key(did):
    number = 0
    for letter in did.removeprefix("did:key:z"):
        number = number * 58 + ALPHABET.index(letter)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if raw.startswith(ED25519):
        return ed25519.Ed25519PublicKey.from_public_bytes(raw[2:])
    if raw.startswith(P256):
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw[2:])
    raise ValueError(f"no key that OpenCloud knows: {did}")


class Key:
    def __init__(self, private):
        self.private = private
        encodings = serialization.Encoding, serialization.PublicFormat
        if isinstance(private, ed25519.Ed25519PrivateKey):
            self.id = to_did(ED25519, private.public_key().public_bytes(encodings[0].Raw, encodings[1].Raw))
        else:
            self.id = to_did(P256, private.public_key().public_bytes(encodings[0].X962, encodings[1].CompressedPoint))

    @staticmethod
    def load(path):
        return Key(serialization.load_pem_private_key(pathlib.Path(path).read_bytes(), None))

    @staticmethod
    def fresh():
        return Key(ed25519.Ed25519PrivateKey.generate())

    def sign(self, data):
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        r, s = utils.decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verify(did, signature, data):
    key = public_key(did)
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    else:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


# Requests.


def content_digest(body):
    return "sha-256=" + fields.write(hashlib.sha256(body).digest())


def signature_base(lines, parameters):
    """RFC 9421 §2.5: `lines` are (component as it is written, value); also what is in the answer's base."""
    return "\n".join([f"{name}: {value}" for name, value in lines] + [f'"@signature-params": {parameters}']).encode()


def request_digest(method, target, body, audience):
    """What `OpenCloud-Request` and a payment are bound to (§6)."""
    path, _, query = target.partition("?")
    lines = [('"@method"', method), ('"@path"', path), ('"@query"', "?" + query),
             ('"content-digest"', content_digest(body)), ('"opencloud-audience"', audience)]
    return hashlib.sha256(signature_base(lines, "(" + " ".join(name for name, _ in lines) + ")")).digest()


class Answer:
    def __init__(self, status, headers, trailers, body):
        self.status, self.body = status, body
        self.headers = self.joined(headers)
        self.trailers = self.joined(trailers)

    @staticmethod
    def joined(pairs):
        found = {}
        for name, value in pairs:
            found.setdefault(name.lower(), []).append(value.strip())
        return {name: ", ".join(values) for name, values in found.items()}

    def field(self, name):
        return self.headers.get(name, self.trailers.get(name, ""))

    @property
    def word(self):
        """ok, client-error.…, request-declined.…"""
        return self.field("opencloud-status")

    @property
    def problem(self):
        return json.loads(self.body) if self.field("content-type") == "application/problem+json" else {}


def check_answer(answer, digest, node_id):
    """The node signed this answer to this request (§6)."""
    named = fields.parse_dictionary(answer.field("signature-input")).get("oc")
    if named is None:
        raise Refused(f"{answer.status}: the answer is not signed", answer)
    components, parameters = named
    covered = [name for name, _ in components]
    if parameters.get("keyid") != node_id or not set(ANSWER_COVERS) <= set(covered):
        raise Refused("the answer's signature is of somebody else, or of something else", answer)
    lines = []
    for name, flags in components:
        source = answer.trailers if "tr" in flags else answer.headers
        lines.append((fields.write(name, flags), str(answer.status) if name == "@status" else source[name]))
    signature = fields.parse_dictionary(answer.field("signature"))["oc"][0]
    try:
        verify(node_id, signature, signature_base(lines, fields.write(components, parameters)))
    except InvalidSignature:
        raise Refused("the answer's signature is wrong", answer) from None
    digests = fields.parse_dictionary(answer.field("content-digest"))
    if digests["sha-256"][0] != hashlib.sha256(answer.body).digest():
        raise Refused("the answer's body is not the one that was signed", answer)
    if fields.parse_list(answer.field("opencloud-request")) != [(digest, {})]:
        raise Refused("this is the answer to another request", answer)


class KeepsTrailers(http.client.HTTPResponse):
    trailers = ()

    def _read_and_discard_trailer(self):
        self.trailers = http.client.parse_headers(self.fp).items()


class Client:
    """Calls one node. Not for several threads."""

    def __init__(self, url, keys=(), account=None, maximum=0, bid=0, defer=False, credentials=(),
                 provider=None):
        """`account` pays at most `maximum` for a call, and offers `bid` before it is asked; `defer` promises before it
        pays; `credentials` are further accounts that the keys' owner has; `provider` is whose node it has to be."""
        self.origin, self.prefix = split(url)
        self.keys, self.account, self.maximum = list(keys), account, maximum
        self.first = ("defer", 0) if defer else ("attached", bid) if bid else ("none", 0)
        self.credentials = list(credentials)
        self.nonces, self.clock = {}, time.time
        about = json.loads(self._exchange("GET", self.prefix + "/.well-known/decloud", {}, b"").body)
        self.audience, self.node_id = about["provider"]["audience"], about["node"]["id"]
        self.chain_id, self.provider = int(self.audience.split(":")[1]), self.audience.split(":")[2]
        self.escrow, self.currency = about["chain"]["escrow"], about["prices"][0]["currency"]
        if provider and provider.lower() != self.provider:
            raise Refused(f"this is a node of {self.provider}, not of {provider}")
        self.check_delegation(about["delegation"])

    def check_delegation(self, delegation):
        """The provider's account lets this node's key sign for it (§6)."""
        names = ("account", "node", "ed25519Key", "epoch", "notBefore", "expires")
        digest = typed_digest(
            self.chain_id, self.escrow, b"Delegation(address account,bytes32 node,bytes32 ed25519Key,uint64 epoch,"
            b"uint64 notBefore,uint64 expires)", [delegation[name] for name in names])
        if signer_of(digest, delegation["signature"]) != self.provider or delegation["account"].lower() != self.provider:
            raise Refused("the node's delegation is not the provider's")
        if to_did(ED25519, bytes.fromhex(delegation["ed25519Key"][2:])) != self.node_id:
            raise Refused("the delegation is for another node")
        if not delegation["notBefore"] <= self.clock() < delegation["expires"]:
            raise Refused("the node's delegation is over, or has not begun")

    def call(self, method, target, body=b"", headers=None):
        """The answer of status `ok`; `target` is path and query. Follows §3 and §5, never pays twice."""
        payment, bid = self.first
        self.promise_key = secrets.token_hex(16)
        for _ in range(8):
            answer = self.send(method, target, body, headers, payment, bid)
            detail = answer.word.rsplit(".", 1)[-1]
            if answer.word == "ok":
                return answer
            if detail == "refresh-nonce":
                continue
            if detail == "no-defer" and payment == "defer":
                payment, bid = "attached", self.price(answer, 0)
            elif detail in ("acceptable-payment", "too-low"):
                payment, bid = "attached", self.price(answer, bid)
            else:
                raise Refused(f"{answer.status} {answer.word}: {answer.problem.get('detail', '')}", answer)
        raise Refused("the node wants it again and again", answer)

    def price(self, answer, bid):
        """What to bid next: more than before and within the maximum; else nothing more goes out."""
        asked = [int(each["amount"]) for each in answer.problem.get("acceptable", [])
                 if each["type"] == "attached" and each["method"] == "authorization"]
        if self.account is None or not asked:
            raise Refused(f"{answer.word}: no payment of ours is taken", answer)
        if not bid < min(asked) <= self.maximum:
            raise Refused(f"{answer.word}: {min(asked)} is asked, the maximum is {self.maximum}", answer)
        return min(asked)

    def quote(self, service, method, **units):
        """What so many units would cost, promised by the node until `expires` (§7)."""
        words = [method, *(f"{unit}={count}" for unit, count in units.items())]
        query = "&".join("arg=" + urllib.parse.quote(word, safe="") for word in words)
        answer = self.call("POST", f"/oc/v1/{service}/quote?{query}")
        told = json.loads(answer.body)
        signed = {name: value for name, value in told.items() if name != "signature"}
        text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            verify(self.node_id, base64.urlsafe_b64decode(told["signature"] + "=="), text)
        except InvalidSignature:
            raise Refused("the quote's signature is wrong", answer) from None
        return told

    def debt(self):
        """What the first key owes here (§8)."""
        return json.loads(self.send("POST", "/oc/v1/payment/debts").body)["debts"][0]

    def repay(self):
        """Pays all of it, once: the node takes nothing twice. What was owed."""
        debt = self.debt()
        owed = int(debt["owed"])
        if owed:
            arguments = (debt["currency"], debt["owed"], debt["paid"])
            query = "&".join("arg=" + urllib.parse.quote(each, safe="") for each in arguments)
            answer = self.send("POST", "/oc/v1/payment/repay?" + query, payment="attached", bid=owed)
            if answer.word == "request-declined.refresh-nonce":
                answer = self.send("POST", "/oc/v1/payment/repay?" + query, payment="attached", bid=owed)
            if answer.word != "ok":
                raise Refused(f"{answer.status} {answer.word}: {answer.problem.get('detail', '')}", answer)
        return owed

    def send(self, method, target, body=b"", headers=None, payment="none", bid=0):
        """One exchange. What is believed or paid for is signed; a refusal from before the node knew us is not."""
        target = self.prefix + target
        digest = request_digest(method, target, body, self.audience)
        sent = self.sign(method, target, body, headers or {}, self.payment(payment, bid, digest))
        answer = self._exchange(method, target, sent, body)
        self.harvest(answer)
        known = "signature" in sent or "opencloud-payment" in sent
        if known and (answer.word == "ok" or answer.status == 402) or answer.field("signature"):
            check_answer(answer, digest, self.node_id)
        return answer

    def payment(self, kind, bid, digest):
        if kind == "attached":
            authorization = self.account.call_authorization(self.chain_id, self.escrow, self.provider, digest, bid)
            return 'attached;method="authorization";payload=' + fields.write(json.dumps(authorization).encode())
        if kind == "defer":
            return fields.write(fields.Token("defer"), {
                "id": self.keys[0].id, "amount": self.maximum, "currency": self.currency,
                "due": int(self.clock()) + 3600, "threshold": 10 * self.maximum, "key": self.promise_key})
        return None

    def sign(self, method, target, body, headers, payment=None):
        """The request's headers with one signature for each key (§2)."""
        headers = {name.lower(): value for name, value in headers.items()}
        headers["opencloud-audience"] = self.audience
        if payment:
            headers["opencloud-payment"] = payment
        if not self.keys:
            return headers
        if body:
            headers["content-digest"] = content_digest(body)
        if self.credentials:
            headers["opencloud-credential"] = ", ".join(self.credential(each) for each in self.credentials)
        path, _, query = target.partition("?")
        lines = [('"@method"', method), ('"@path"', path), ('"@query"', "?" + query)]
        lines += [(f'"{name}"', value) for name, value in headers.items()
                  if name.startswith("opencloud-") or name == "content-digest"]
        components = [(name.strip('"'), {}) for name, _ in lines]
        inputs, signatures = [], []
        for number, key in enumerate(self.keys, 1):
            parameters = {"created": int(self.clock()), "keyid": key.id}
            if key.id in self.nonces:
                parameters["nonce"] = self.nonces.pop(key.id)
            written = fields.write(components, parameters)
            inputs.append(f"sig{number}={written}")
            signatures.append(f"sig{number}=" + fields.write(key.sign(signature_base(lines, written))))
        return headers | {"signature-input": ", ".join(inputs), "signature": ", ".join(signatures)}

    def credential(self, account):
        """Says that the first key's owner has this account as well (§4)."""
        ends = int(self.clock()) + 300
        text = f"OpenCloud-Credential-v1|{self.keys[0].id}|{account.address}|{ends}|{self.audience}"
        return fields.write(account.address, {"exp": ends, "proof": account.sign_text(text)})

    def harvest(self, answer):
        for nonce, parameters in fields.parse_list(answer.field("opencloud-nonce")):
            self.nonces[parameters["keyid"]] = nonce

    def _exchange(self, method, target, headers, body):
        kind = http.client.HTTPSConnection if self.origin.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.origin.netloc, timeout=60)
        connection.response_class = KeepsTrailers
        try:
            connection.request(method, target, body or (b"" if method == "POST" else None), headers)
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, response.getheaders(), response.trailers, content)
        finally:
            connection.close()


def split(url):
    """(origin, what stands before the node's own paths): `/p/{provider}` of a gateway or nothing."""
    parts = urllib.parse.urlsplit(url)
    return parts, parts.path.rstrip("/")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--key", action="append", default=[], metavar="FILE.pem")
    parser.add_argument("--provider", metavar="ADDRESS")
    parser.add_argument("--account", metavar="HEX")
    parser.add_argument("--max", type=int, default=0, metavar="AMOUNT")
    parser.add_argument("--bid", type=int, default=0, metavar="AMOUNT")
    parser.add_argument("--defer", action="store_true")
    parser.add_argument("--method", metavar="M")
    parser.add_argument("--body", metavar="FILE")
    options = parser.parse_args()
    parts = urllib.parse.urlsplit(options.url)
    body = pathlib.Path(options.body).read_bytes() if options.body else b""
    keys = [Key.load(each) for each in options.key]
    account = Account(options.account) if options.account else None
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        client = Client(f"{parts.scheme}://{parts.netloc}", keys, account, options.max, options.bid, options.defer,
                        provider=options.provider)
        answer = client.call(options.method or ("POST" if body else "GET"), target, body)
    except Refused as problem:
        sys.exit(f"opencloud.py: {problem}")
    sys.stdout.buffer.write(answer.body)


if __name__ == "__main__":
    main()
