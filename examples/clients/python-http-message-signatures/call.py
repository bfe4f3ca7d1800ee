#!/usr/bin/env python3
"""A signed OpenCloud call with PyPI's http-message-signatures, paid by eth-account where the node asks for it.

  call.py KEY.pem URL [--body TEXT] [--account HEX --max AMOUNT]

KEY.pem is an Ed25519 or P-256 key of `openssl genpkey`. Prints the answer's body once its signature is verified.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import sys
import time
import urllib.parse

import requests
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from eth_account import Account
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
AUTHORIZATION = {"CallAuthorization": [
    {"name": name, "type": kind} for name, kind in (
        ("payer", "address"), ("provider", "address"), ("requestDigest", "bytes32"), ("maxPrice", "uint128"),
        ("nonce", "bytes32"), ("validBefore", "uint64"))]}


def did_of(private):
    """did:key and RFC 9421's algorithm of a private key."""
    public = private.public_key()
    if isinstance(private, ed25519.Ed25519PrivateKey):
        raw, algorithm = b"\xed\x01" + public.public_bytes(Encoding.Raw, PublicFormat.Raw), ED25519
    else:
        raw, algorithm = b"\x80\x24" + public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint), ECDSA_P256_SHA256
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "did:key:z" + text, algorithm


def public_key(did):
    """Of a node, whose ids are Ed25519 keys."""
    number = 0
    for letter in did.removeprefix("did:key:z"):
        number = number * 58 + ALPHABET.index(letter)
    return ed25519.Ed25519PublicKey.from_public_bytes(number.to_bytes(34, "big")[2:])


def base64_of(data):
    return f":{base64.b64encode(data).decode()}:"


class Caller:
    def __init__(self, key_file, url, account=None, maximum=0):
        private = load_pem_private_key(pathlib.Path(key_file).read_bytes(), None)
        self.id, algorithm = did_of(private)
        self.url, self.account, self.maximum, self.nonce, self.round_trips = url, account, maximum, None, 0
        about = requests.get(urllib.parse.urljoin(url, "/.well-known/decloud"), timeout=30).json()
        self.audience, self.node, self.chain = about["provider"]["audience"], about["node"]["id"], about["chain"]
        keys = MappingKeyResolver(private_keys={self.id: private}, public_keys={self.node: public_key(self.node)})
        self.signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=keys)
        self.verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=keys)

    def request_digest(self, request):
        parts = urllib.parse.urlsplit(request.url)
        names = ("@method", "@path", "@query", "content-digest", "opencloud-audience")
        values = (request.method, parts.path, "?" + parts.query,
                  "sha-256=" + base64_of(hashlib.sha256(request.body or b"").digest()), self.audience)
        lines = [f'"{name}": {value}' for name, value in zip(names, values)]
        lines.append('"@signature-params": (' + " ".join(f'"{name}"' for name in names) + ")")
        return hashlib.sha256("\n".join(lines).encode()).digest()

    def payment(self, digest, amount):
        domain = {"name": "decloud", "version": "1", "chainId": self.chain["id"],
                  "verifyingContract": self.chain["escrow"]}
        message = {"payer": self.account.address, "provider": self.audience.split(":")[2],
                   "requestDigest": "0x" + digest.hex(), "maxPrice": amount, "nonce": "0x" + os.urandom(32).hex(),
                   "validBefore": int(time.time()) + 300}
        signed = self.account.sign_typed_data(domain, AUTHORIZATION, message)
        payload = json.dumps(message | {"signature": "0x" + signed.signature.hex().removeprefix("0x")})
        return f'attached;method="authorization";payload={base64_of(payload.encode())}'

    def send(self, body, amount):
        request = requests.Request("POST" if body else "GET", self.url, data=body or None).prepare()
        request.headers["OpenCloud-Audience"] = self.audience
        digest = self.request_digest(request)
        covered = ["@method", "@path", "@query", "opencloud-audience"]
        if amount:
            request.headers["OpenCloud-Payment"] = self.payment(digest, amount)
            covered.append("opencloud-payment")
        self.signer.sign(request, key_id=self.id, nonce=self.nonce, covered_component_ids=covered, body=body or None)
        answer = requests.Session().send(request, timeout=30)
        self.round_trips += 1
        found = re.search(r'"([^"]+)";keyid="' + re.escape(self.id) + '"', answer.headers.get("OpenCloud-Nonce", ""))
        self.nonce = found and found[1]
        if answer.status_code != 401:
            self.verifier.verify(answer, body=answer.content, expect_tag="opencloud", require_components=(
                "@status", "content-digest", "opencloud-status", "opencloud-request"))
            if answer.headers["OpenCloud-Request"] != base64_of(digest):
                sys.exit("this is the answer to another request")
        return answer

    def call(self, body):
        amount = 0
        for _ in range(4):
            answer = self.send(body, amount)
            status = answer.headers["OpenCloud-Status"]
            if status == "request-declined.refresh-nonce":
                continue
            if answer.status_code != 402 or self.account is None:
                return answer
            asked = min(int(each["amount"]) for each in answer.json()["acceptable"] if each["method"] == "authorization")
            if not amount < asked <= self.maximum:
                return answer
            amount = asked
        return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key")
    parser.add_argument("url")
    parser.add_argument("--body", default="")
    parser.add_argument("--account")
    parser.add_argument("--max", type=int, default=0)
    options = parser.parse_args()
    account = Account.from_key(options.account) if options.account else None
    caller = Caller(options.key, options.url, account, options.max)
    answer = caller.call(options.body.encode())
    sys.stdout.write(answer.text)
    print(f"{answer.status_code} {answer.headers['OpenCloud-Status']}, {caller.round_trips} round trips, verified: "
          f"{answer.status_code != 401}", file=sys.stderr)
    sys.exit(0 if answer.ok else 1)


if __name__ == "__main__":
    main()
