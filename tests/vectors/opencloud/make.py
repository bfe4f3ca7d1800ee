#!/usr/bin/env python3
"""Makes requests.json, answers.json, credentials.json and quotes.json with PyPI's http-message-signatures, cryptography and eth-account;
nothing of the program's own is used.

  tests/interop/opencloud/venv/bin/python tests/vectors/opencloud/make.py [--check]

Run again it makes the same bytes; `--check` only says whether they are there.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from eth_account.messages import encode_defunct
from http_message_signatures import HTTPMessageSigner
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519

HERE = pathlib.Path(__file__).resolve().parent
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
NOW = 1_790_000_000
AUDIENCE = "eip155:31337:0x" + "a1" * 20
AUTHORITY = "node.example"
USUAL = ["@method", "@path", "@query", "opencloud-audience"]
BODY = b"hello decloud\n"


class Key:
    """Ed25519 of a seed, or P-256 of a scalar; `private` is what is published of it."""

    def __init__(self, kind, private):
        self.kind, self.private = kind, private
        if kind == "ed25519":
            self.key, self.algorithm = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private)), ED25519
            raw = b"\xed\x01" + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            self.key, self.algorithm = ec.derive_private_key(int(private, 16), ec.SECP256R1()), ECDSA_P256_SHA256
            raw = b"\x80\x24" + self.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        number, text = int.from_bytes(raw, "big"), ""
        while number:
            number, digit = divmod(number, 58)
            text = ALPHABET[digit] + text
        self.id = "did:key:z" + text

    def sign(self, data):
        if self.kind == "ed25519":
            return self.key.sign(data)
        r, s = utils.decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def base64url_hex(text):
    return base64.urlsafe_b64decode(text + "=").hex()


# The test keys of RFC 9421 (B.1.3, B.1.4), and eight of nobody.
ED = Key("ed25519", base64url_hex("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"))
P256 = Key("p256", base64url_hex("UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs"))
MORE = [Key("ed25519", f"{number:02x}" * 32) for number in range(1, 9)]


def content_digest(body):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


class Request:
    """What the library signs; a vector is made of what it is afterwards."""

    def __init__(self, method="POST", target="/oc/v1/sha256/hash", body=b"", audience=AUDIENCE, headers=(), digest=True):
        self.method, self.target, self.body = method, target, body
        self.headers = {"OpenCloud-Audience": audience} if audience else {}
        if body and digest:
            self.headers["Content-Digest"] = content_digest(body)
        self.headers |= dict(headers)
        self.bases = []

    @property
    def url(self):
        return f"https://{AUTHORITY}{self.target}"

    def signed(self, key=ED, covers=None, label="oc", age=5, lasts=None, keyid=None, algorithm=True, tag=None, signature=None):
        covers = covers or USUAL + ["content-digest"] * bool(self.body) + [
            name.lower() for name in self.headers if name.startswith("OpenCloud-") and name != "OpenCloud-Audience"]
        signer = HTTPMessageSigner(signature_algorithm=key.algorithm)
        created = datetime.datetime.fromtimestamp(NOW - age, datetime.timezone.utc)
        prepared = signer.prepare(
            self, key_id=keyid or key.id, created=created, label=label, nonce="bm9uY2U", tag=tag, include_alg=algorithm,
            use_existing_digest="Content-Digest" in self.headers,
            expires=created + datetime.timedelta(seconds=lasts) if lasts else None, covered_component_ids=covers)
        signer.apply(self, prepared, signature or key.sign(prepared.signature_base), append_if_signature_exists=True)
        self.bases.append({"label": label, "id": keyid or key.id, "base": prepared.signature_base.decode()})
        return self

    def then(self, **changes):
        """Changed on its way: what was signed stays."""
        self.headers |= changes.pop("headers", {})
        vars(self).update(changes)
        return self

    def without(self, name):
        del self.headers[name]
        return self

    def digest(self):
        path, question, query = self.target.partition("?")
        lines = {"@method": self.method, "@path": path, "@query": "?" + query, "content-digest": content_digest(self.body),
                 "opencloud-audience": AUDIENCE}
        text = "".join(f'"{name}": {value}\n' for name, value in lines.items())
        text += '"@signature-params": (' + " ".join(f'"{name}"' for name in lines) + ")"
        return f":{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}:"


def vector(name, request, refused=None, why=None, direct=False):
    """`refused`: the first check that fails, of `audience`, `read`, `times`, `coverage`, `signature` and `body`."""
    status = {None: 200, "audience": 421, "body": 400}.get(refused, 401)
    return {
        "name": name,
        "request": {"method": request.method, "target": request.target, "headers": list(request.headers.items()),
                    "body": base64.b64encode(request.body).decode(), "straightToTheNode": direct},
        "signed": request.bases, "openCloudRequest": request.digest(),
        "verdict": {"accepted": refused is None, "status": status} | ({"check": refused, "why": why} if refused else {}),
    }


def accepted():
    yield vector("a call without a body", Request("GET", "/bafkreicall/a/b").signed())
    yield vector("a body and a query, as they were sent",
                 Request("POST", "/oc/v1/store/put?arg=.&arg=docs%2Fa.txt&x=+%41", BODY).signed())
    yield vector("an empty query is the same as none", Request("GET", "/bafkreicall?").signed())
    yield vector("a key of P-256", Request(body=BODY).signed(P256))
    yield vector("no alg, an end and a tag", Request(body=BODY).signed(algorithm=False, lasts=60, tag="opencloud"))
    yield vector("further fields may be covered", Request(body=BODY, headers={
        "Content-Type": "application/octet-stream", "X-Two": "a, b"}).signed(
            covers=[*USUAL, "content-digest", "content-type", "x-two", "@authority"]))
    yield vector("two ids, two kinds of keys", Request(body=BODY).signed(label="a").signed(P256, label="b"))
    request = Request(body=BODY)
    for number, key in enumerate(MORE):
        request.signed(key, label=f"sig{number}")
    yield vector("eight ids", request)
    yield vector("a payment that is covered", Request("GET", "/bafkreicall", headers={
        "OpenCloud-Payment": "attached;method=\"authorization\";payload=:e30=:"}).signed())
    yield vector("straight to the node: authority", Request(audience=None, body=BODY).signed(
        covers=["@method", "@path", "@query", "@authority", "content-digest"]), direct=True)
    yield vector("straight to the node: target URI", Request(audience=None, body=BODY).signed(
        covers=["@method", "@target-uri", "content-digest"]), direct=True)
    yield vector("behind a gateway the path is the one that was sent", Request(
        "GET", "/p/alice.decloud/bafkreicall?width=200").signed())
    yield vector("thirty seconds late", Request().signed(age=30))
    yield vector("thirty seconds early", Request().signed(age=-30))
    foreign = Request(body=BODY).signed(label="oc").signed(
        MORE[0], keyid="proxy-key", tag="edge", label="proxy", covers=["@method"], signature=b"x")
    foreign.bases.pop()
    yield vector("somebody else's signature is nobody's business here", foreign)


def refused_for_what_it_says():
    yield vector("thirty-one seconds late", Request().signed(age=31), "times", "created is too long ago")
    yield vector("thirty-one seconds early", Request().signed(age=-31), "times", "created is too far ahead")
    yield vector("it has ended", Request().signed(age=20, lasts=10), "times", "expires is over")
    yield vector("no did:key", Request().signed(keyid="my-key"), "read", "keyid is no id of OpenCloud")
    other = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"
    yield vector("a did:key of secp256k1", Request().signed(keyid=other), "read", "no key that signs requests")
    yield vector("the algorithm of another kind of key", changed_parameter(
        Request().signed(), 'alg="ed25519"', 'alg="ecdsa-p256-sha256"'), "read", "alg is not the key's")
    yield vector("no created", changed_parameter(Request().signed(), f";created={NOW - 5}", ""), "read", "created is missing")
    yield vector("one id twice", Request().signed(label="a").signed(label="b"), "read", "two signatures by one id")
    yield vector("nine ids", nine(), "read", "more than eight ids")
    yield vector("a signature without its input", Request().signed().without("Signature-Input"), "read",
                 "Signature without Signature-Input")
    yield vector("an input without its signature", Request().signed().without("Signature"), "read",
                 "Signature-Input without Signature")
    yield vector("a signature that is no bytes", Request().signed().then(headers={"Signature": 'oc="text"'}), "read",
                 "no byte sequence")


def refused_for_what_it_covers():
    for name in ("@method", "@path", "@query", "opencloud-audience", "content-digest"):
        covers = [each for each in [*USUAL, "content-digest"] if each != name]
        yield vector(f"{name} is not covered", Request(body=BODY).signed(covers=covers), "coverage", f"{name} must be covered")
    yield vector("a payment that is not covered", Request("GET", "/bafkreicall", headers={
        "OpenCloud-Payment": "none"}).signed(covers=USUAL), "coverage", "every OpenCloud field must be covered")
    yield vector("a field that was added on the way", Request().signed().then(headers={"OpenCloud-Payment": "none"}),
                 "coverage", "every OpenCloud field must be covered")
    yield vector("an authority of a gateway says not whom it is for", Request(audience=None).signed(
        covers=["@method", "@path", "@query", "@authority"]), "coverage", "opencloud-audience must be covered")
    yield vector("one member of the digest is not the digest", Request(body=BODY).signed(
        covers=[*USUAL, '"content-digest";key="sha-256"']), "coverage", "content-digest must be covered whole")


def refused_for_what_was_changed():
    why = "not what the key signed"
    for name, changes in {"method": {"method": "PUT"}, "path": {"target": "/oc/v1/sha256/hash2?n=1"},
                          "query": {"target": "/oc/v1/sha256/hash?n=2"},
                          "writing of the query": {"target": "/oc/v1/sha256/hash?n=%31"},
                          "body, with its digest": {"body": b"other", "headers": {"Content-Digest": content_digest(b"other")}}
                          }.items():
        yield vector(f"another {name}", Request(target="/oc/v1/sha256/hash?n=1", body=BODY).signed().then(**changes),
                     "signature", why)
    yield vector("another nonce", changed_parameter(Request().signed(), "bm9uY2U", "bm9uY2V"), "signature", why)
    yield vector("another id", Request().signed(MORE[0], keyid=ED.id), "signature", "made by another key")
    yield vector("one bad of two", Request().signed(label="a").signed(P256, label="b", signature=bytes(63) + b"\1"), "signature",
                 "one bad signature spoils all")
    yield vector("a P-256 signature in DER", Request().signed(P256, signature=der_signature()), "signature",
                 "64 bytes are needed")
    yield vector("a covered field that is not there", Request(headers={"X-Two": "a"}).signed(
        covers=[*USUAL, "x-two"]).without("X-Two"), "signature", "x-two is covered and missing")
    yield vector("a body that is not what its digest says", Request(body=BODY).signed().then(body=b"other"), "body",
                 "the body is not what Content-Digest says")
    yield vector("a digest of another kind alone", Request(body=BODY, digest=False, headers={
        "Content-Digest": f"sha-512=:{base64.b64encode(hashlib.sha512(BODY).digest()).decode()}:"}).signed(
            covers=[*USUAL, "content-digest"]), "body", "Content-Digest has no sha-256")
    yield vector("a good request for another provider", Request(audience=AUDIENCE[:-2] + "ff").signed(), "audience",
                 "it is for another provider")


def changed_parameter(request, old, new):
    request.headers["Signature-Input"] = request.headers["Signature-Input"].replace(old, new)
    return request


def nine():
    request = Request()
    for number, key in enumerate([*MORE, ED]):
        request.signed(key, label=f"sig{number}")
    return request


def der_signature():
    request = Request().signed(P256)
    return P256.key.sign(request.bases[0]["base"].encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


class Answer:
    """A node's answer, as its client gets it."""

    def __init__(self, request, status=200, word="ok", body=b"the answer\n"):
        self.request, self.status, self.status_code, self.body, self.trailers = request, status, status, body, {}
        self.headers = {"OpenCloud-Status": word, "Content-Digest": content_digest(body),
                        "OpenCloud-Request": request.digest()}

    def signed(self, key=ED, covers=("@status", "content-digest", "opencloud-status", "opencloud-request"), label="oc"):
        signer = HTTPMessageSigner(signature_algorithm=key.algorithm)
        self.request = None
        prepared = signer.prepare(
            self, key_id=ED.id, created=datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc), label=label,
            tag="opencloud", covered_component_ids=covers, use_existing_digest=True)
        self.base = prepared.signature_base.decode()
        signer.apply(self, prepared, key.sign(prepared.signature_base))
        return self

    def streamed(self):
        """The library knows no trailers: the same signature over marked components, by hand."""
        self.signed()
        for name in ("content-digest", "opencloud-request"):
            self.base = self.base.replace(f'"{name}"', f'"{name}";tr')
        parameters = self.base.rsplit('"@signature-params": ', 1)[1]
        signature = base64.b64encode(ED.sign(self.base.encode())).decode()
        self.trailers = {name: self.headers.pop(name) for name in ("Content-Digest", "OpenCloud-Request")}
        self.trailers |= {"Signature-Input": f"oc={parameters}", "Signature": f"oc=:{signature}:"}
        for name in ("Signature-Input", "Signature"):
            del self.headers[name]
        return self

    def then(self, status=None, body=None, **headers):
        self.status, self.body = status or self.status, self.body if body is None else body
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self


def answer_vector(name, answer, request, why=None):
    return {
        "name": name,
        "request": {"method": request.method, "target": request.target, "body": base64.b64encode(request.body).decode()},
        "answer": {"status": answer.status, "headers": list(answer.headers.items()),
                   "trailers": list(answer.trailers.items()), "body": base64.b64encode(answer.body).decode()},
        "base": answer.base, "verdict": {"accepted": why is None} | ({"why": why} if why else {}),
    }


def answers():
    call = Request("POST", "/oc/v1/sha256/hash?arg=1", BODY)
    other = Request("POST", "/oc/v1/sha256/hash?arg=2", BODY)
    yield answer_vector("a success", Answer(call).signed(), call)
    yield answer_vector("without a body", Answer(call, body=b"").signed(), call)
    yield answer_vector("a refusal", Answer(call, 402, "request-declined.payment-declined.too-low", b"{}").signed(), call)
    yield answer_vector("streamed", Answer(call).streamed(), call)
    yield answer_vector("to another request", Answer(other).signed(), call, "OpenCloud-Request is another request's")
    yield answer_vector("by another key", Answer(call).signed(MORE[0]), call, "not signed by the node's key")
    yield answer_vector("another status", Answer(call).signed().then(status=201), call, "not what was signed")
    yield answer_vector("another word", Answer(call).signed().then(OpenCloud_Status="server-error"), call,
                        "not what was signed")
    yield answer_vector("another body", Answer(call).signed().then(body=b"forged"), call,
                        "the body is not what Content-Digest says")
    yield answer_vector("another body, with its digest", Answer(call).signed().then(
        body=b"forged", Content_Digest=content_digest(b"forged")), call, "not what was signed")
    for name in ("@status", "content-digest", "opencloud-status", "opencloud-request"):
        covers = [each for each in ("@status", "content-digest", "opencloud-status", "opencloud-request") if each != name]
        yield answer_vector(f"{name} is not covered", Answer(call).signed(covers=covers), call, f"{name} must be covered")
    yield answer_vector("another label", Answer(call).signed(label="sig"), call, "there is no signature oc")


def claim(account=1, did=ED.id, audience=AUDIENCE, ends=NOW + 300, says=None, lower=True):
    """A member of OpenCloud-Credential, and the text that its proof is over."""
    wallet = Account.from_key(bytes([account]) * 32)
    address = wallet.address.lower() if lower else wallet.address
    text = f"OpenCloud-Credential-v1|{did}|{says or address}|{ends}|{audience}"
    proof = "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()
    return f'"{says or address}";exp={ends};proof="{proof}"', text


def succession(earlier=P256, by=ED, ends=NOW + 300, signer=None):
    """The same of an id that was left for another."""
    text = f"OpenCloud-Succession-v1|{by.id}|{earlier.id}|{ends}"
    proof = base64.b64encode((signer or earlier).sign(text.encode())).decode()
    return f'"{earlier.id}";by="{by.id}";exp={ends};proof="{proof}"', text


def credential_vector(name, claims, check=None, why=None):
    fields = [each[0] for each in claims]
    return {"name": name, "did": ED.id, "field": ", ".join(fields), "texts": [each[1] for each in claims],
            "verdict": {"accepted": check is None} | ({"check": check, "why": why} if check else {})}


def credentials():
    """`check`: `read` (the field), `exp` or `proof`."""
    yield credential_vector("an account", [claim()])
    yield credential_vector("eight accounts", [claim(number) for number in range(1, 9)])
    yield credential_vector("it ends now", [claim(ends=NOW)])
    yield credential_vector("it has ended", [claim(ends=NOW - 1)], "exp", "exp is over")
    yield credential_vector("another account's proof", [claim(2, says=Account.from_key(b"\1" * 32).address.lower())], "proof",
                            "made by another account")
    field, text = claim(did=MORE[0].id)
    yield credential_vector("for another id", [(field, text.replace(MORE[0].id, ED.id))], "proof", "made for another id")
    field, text = claim(audience=AUDIENCE[:-2] + "ff")
    yield credential_vector("for another audience", [(field, text.replace(AUDIENCE[:-2] + "ff", AUDIENCE))], "proof",
                            "made for another audience")
    field, text = claim()
    later = str(NOW + 301)
    yield credential_vector("a later end", [(field.replace(str(NOW + 300), later), text.replace(str(NOW + 300), later))], "proof",
                            "exp is not what was signed")
    yield credential_vector("a proof that is too short", [(field[:-3] + '"', text)], "proof", "65 bytes are needed")
    yield credential_vector("nine accounts", [claim(number) for number in range(1, 10)], "read", "more than eight")
    yield credential_vector("an earlier id", [succession()])
    chain = [succession(MORE[0]), succession(MORE[1], MORE[0]), succession(P256, MORE[1]), claim()]
    yield credential_vector("three earlier ids, each left for the next, and an account", chain)
    yield credential_vector("an earlier id before what leads to it", [chain[1], chain[0]], "proof", "its successor is not known yet")
    yield credential_vector("an earlier id of somebody else", [succession(by=MORE[0])], "proof", "left for one that has not signed")
    yield credential_vector("an id that a stranger calls earlier", [succession(signer=MORE[0])], "proof", "not signed by the earlier id")
    yield credential_vector("the id that signs as its own earlier one", [succession(ED, ED)], "proof", "it is there twice")
    field, text = succession()
    yield credential_vector("an earlier id without who follows", [(field.replace(f';by="{ED.id}"', ""), text.replace(ED.id, ""))],
                            "proof", "by is missing")
    field, text = claim()
    yield credential_vector("no proof", [(field.split(";proof")[0], text)], "read", "proof is missing")
    yield credential_vector("no end", [(field.replace(f";exp={NOW + 300}", ""), text)], "read", "exp is missing")


QUOTE = {
    "id": "000102030405060708090a0b0c0d0e0f", "service": "sha256", "method": "hash",
    "units": {"call": "1", "request-kib": "3"},
    "price": {"currency": "USD", "base": "100", "least": "103", "perUnit": {"request-kib": "2"}},
    "amount": "106", "currency": "USD", "issued": NOW, "expires": NOW + 600, "provider": AUDIENCE,
}


def quotes():
    def made(name, check=None, why=None, key=None, signer=None, after=None, raw=None, **changes):
        quote = {**QUOTE, "signer": (signer or ED).id, **changes}
        # RFC 8785 of ASCII names and texts and of integers.
        base = json.dumps(quote, sort_keys=True, separators=(",", ":"))
        quote["signature"] = base64.urlsafe_b64encode((key or ED).sign(base.encode())).decode().rstrip("=")
        quote |= after or {}
        text = raw or json.dumps(quote)
        verdict = {"check": check, "why": why} if check else {"accepted": True}
        return {"name": name, "field": f":{base64.b64encode(text.encode()).decode()}:", "base": base, "verdict": verdict,
                **({} if check else {"costs": [{"units": {"request-kib": 1}, "amount": "103"},
                                               {"units": {"request-kib": 3}, "amount": "106"},
                                               {"units": {"request-kib": 4}, "amount": None},
                                               {"units": {"call": 2}, "amount": None}]})}
    yield made("of two units")
    yield made("for one id", **{"for": MORE[0].id})
    yield made("with a member that nobody knows", note="text")
    yield made("of an amount beyond 2^53", amount="340282366920938463463374607431768211455")
    yield made("signed by another key", "signature", "is not the node's", key=MORE[0], signer=MORE[0])
    yield made("signed by another key in the node's name", "signature", "is not the node's", key=MORE[0])
    yield made("with a lower price", "signature", "was changed", after={"amount": "1"})
    yield made("for longer", "signature", "was changed", after={"expires": NOW + 6000})
    yield made("without a price", "read", "has no price", price=None)
    yield made("with a number for an amount", "read", "amounts are texts", amount=106)
    yield made("with a negative count", "read", "is no count", units={"call": "-1"})
    yield made("that is no JSON", "read", "is no JSON", raw="quote")
    yield made("that is too long", "read", "has more than 4,096 bytes", note="x" * 4096)


def text_of(about, keys, vectors):
    return json.dumps({
        "about": f"{about} Made by make.py. The keys are published: use them for nothing else.",
        "node": {"id": ED.id, "now": NOW, "audience": AUDIENCE, "scheme": "https", "authority": AUTHORITY},
        "keys": [{"id": key.id, "kind": key.kind, "private": key.private} for key in keys],
        "vectors": vectors,
    }, indent=1, ensure_ascii=True) + "\n"


def main():
    requests = [*accepted(), *refused_for_what_it_says(), *refused_for_what_it_covers(), *refused_for_what_was_changed()]
    for each in requests:
        # What was signed is of use only where the request still says the same.
        if each["verdict"].get("check") in ("read", "signature"):
            del each["signed"]
    files = {
        "requests.json": text_of("Requests that docs/opencloud.md accepts or refuses; nonces are not judged here.",
                                 [ED, P256, *MORE], requests),
        "answers.json": text_of("Answers that a client of the node accepts or refuses.", [ED, MORE[0]], [*answers()]),
        "credentials.json": text_of("OpenCloud-Credential of Ethereum accounts and earlier ids.", [ED], [*credentials()]),
        "quotes.json": text_of("Quotes of the node, as OpenCloud-Quote carries them.", [ED, MORE[0]], [*quotes()]),
    }
    for name, text in files.items():
        if "--check" not in sys.argv:
            (HERE / name).write_text(text)
        elif (HERE / name).read_text() != text:
            sys.exit(f"{name} is not what make.py makes")


if __name__ == "__main__":
    main()
