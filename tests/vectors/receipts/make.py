#!/usr/bin/env python3
"""Makes receipts.json with nothing of the program's own: the tests' EIP-712 in Python, and openssl for Ed25519."""

import base64
import copy
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import ethereum  # noqa: E402

ethereum.TYPES["Delegation"] = ("Delegation(address account,bytes32 node,bytes32 ed25519Key,uint64 epoch,"
                                "uint64 notBefore,uint64 expires)")
ESCROW = "0x" + "e5" * 20
ACCOUNT = ethereum.development_account(2)
OTHER = ethereum.development_account(3)
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BEGIN = 1_790_000_000
DAY = 86_400
REQUEST = {"method": "POST", "target": "/bafyexample/x?width=200", "body": "a photo"}
RESPONSE = "a smaller photo"


class Key:
    """An Ed25519 key of RFC 8032 from a seed."""

    def __init__(self, seed):
        self.der = bytes.fromhex("302e020100300506032b657004220420") + seed
        self.public = self.openssl("pkey", "-pubout", "-outform", "DER")[-32:]

    def openssl(self, *arguments):
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.der)
            file.flush()
            return subprocess.run(["openssl", arguments[0], *(["-inform", "DER", "-in", file.name]
                                   if arguments[0] == "pkey" else ["-keyform", "DER", "-inkey", file.name]),
                                   *arguments[1:]], check=True, capture_output=True).stdout

    def sign(self, message):
        with tempfile.NamedTemporaryFile() as file:
            file.write(message)
            file.flush()
            return self.openssl("pkeyutl", "-sign", "-rawin", "-in", file.name)

    @property
    def did(self):
        number, text = int.from_bytes(b"\xed\x01" + self.public, "big"), ""
        while number:
            number, digit = divmod(number, 58)
            text = BASE58[digit] + text
        return "did:key:z" + text


FIRST, SECOND = Key(bytes(range(32))), Key(bytes(range(1, 33)))


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(body):
    return base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()


def request_digest(request, audience):
    path, question, query = request["target"].partition("?")
    base = "\n".join([
        f'"@method": {request["method"]}', f'"@path": {path}', f'"@query": {question + query if question else "?"}',
        f'"content-digest": sha-256=:{digest(request["body"])}:', f'"opencloud-audience": {audience}',
        '"@signature-params": ("@method" "@path" "@query" "content-digest" "opencloud-audience")'])
    return "0x" + hashlib.sha256(base.encode()).hexdigest()


def delegation(key, account=ACCOUNT, name="alice.decloud", epoch=1, begin=BEGIN, days=90):
    return ethereum.Domain(31337, ESCROW).sign(account, "Delegation", {
        "account": account.address, "node": ethereum.namehash(name), "ed25519Key": "0x" + key.public.hex(),
        "epoch": epoch, "notBefore": begin, "expires": begin + days * DAY})


def receipt(key=FIRST, signed_by=None, delegated=None, **changes):
    audience = f"eip155:31337:{ACCOUNT.address}"
    body = {"id": "00112233445566778899aabbccddeeff", "provider": "alice.decloud", "audience": audience,
            "escrow": ESCROW, "payer": "channel:0x" + "ab" * 32, "asset": "eip155:31337/erc20:0x" + "11" * 20,
            "amount": "1000", "calls": 1, "time": BEGIN + DAY, "service": "compute", "subject": "bafyexample",
            "requestDigest": request_digest(REQUEST, audience),
            "responseDigest": "0x" + hashlib.sha256(RESPONSE.encode()).hexdigest(), "status": 200,
            "responseBytes": len(RESPONSE), "durationMicroseconds": 1234, "signer": key.did,
            "delegation": delegated or delegation(key)} | changes
    body["signature"] = base64.urlsafe_b64encode((signed_by or key).sign(canonical(body))).decode().rstrip("=")
    return body


def changed(member, value):
    body = copy.deepcopy(receipt())
    body[member] = value
    return body


def without(member):
    body = receipt()
    del body[member]
    return body


def delegation_with(member, value):
    made = delegation(FIRST)
    made[member] = value
    return made


NOW = BEGIN + 400 * DAY
CASES = [
    ("as it was signed, also long after", receipt(), "ok", {}),
    ("after a rotation the new key vouches for an old call",
     receipt(SECOND, delegated=delegation(SECOND, epoch=2, begin=BEGIN + 30 * DAY)), "ok", {"lowestEpoch": 2}),
    ("another amount", changed("amount", "1"), "bad_signature", {}),
    ("another payer", changed("payer", "channel:0x" + "ac" * 32), "bad_signature", {}),
    ("another answer's digest", changed("responseDigest", "0x" + "00" * 32), "bad_signature", {}),
    ("a member more", changed("more", 1), "bad_signature", {}),
    ("signed by a key that is not the one it names", receipt(FIRST, signed_by=SECOND), "bad_signature", {}),
    ("signed by a key that nobody delegated", receipt(SECOND, delegated=delegation(FIRST)), "wrong_delegation", {}),
    ("delegated by another account", receipt(delegated=delegation(FIRST, OTHER)), "wrong_delegation", {}),
    ("delegated for another name", receipt(delegated=delegation(FIRST, name="bob.decloud")), "wrong_delegation", {}),
    ("delegated in another escrow's domain", receipt(escrow="0x" + "e6" * 20), "bad_signature", {}),
    ("delegated for over 90 days", receipt(delegated=delegation(FIRST, days=91)), "wrong_delegation", {}),
    ("a delegation that was changed", receipt(delegated=delegation_with("epoch", 2)), "bad_signature", {}),
    ("a call after the delegation's end", receipt(time=BEGIN + 90 * DAY), "expired", {}),
    ("a delegation that has not begun", receipt(delegated=delegation(FIRST, begin=NOW + 1)), "not_yet_valid", {}),
    ("an epoch that was revoked", receipt(), "revoked", {"lowestEpoch": 2}),
    ("no delegation", without("delegation"), "bad_signature", {}),
    ("no signature", without("signature"), "invalid_input", {}),
    ("no escrow", without("escrow"), "invalid_input", {}),
]


def main():
    out = {"now": NOW, "account": ACCOUNT.address, "request": REQUEST, "response": RESPONSE,
           "cases": [{"name": name, "receipt": body, "result": result} | more for name, body, result, more in CASES]}
    path = pathlib.Path(__file__).with_name("receipts.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


main()
