"""The clients of examples/clients against one cloud, and requests that are changed on their way. Prints `ok NAME` lines.
Run by `run` with the Python of venv/."""

import base64
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = HERE.parents[2] / "examples" / "clients"
sys.path[:0] = [str(HERE.parents[1] / "e2e"), str(CLIENTS / "python")]

import openapi_spec_validator  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: E402
from eth_account import Account as Wallet  # noqa: E402
from eth_account.messages import encode_defunct  # noqa: E402

import http1  # noqa: E402
import opencloud  # noqa: E402
from account import Account  # noqa: E402
from ethereum import DEVELOPMENT_KEYS, development_account  # noqa: E402
from policy_test import write  # noqa: E402
from service_test import added  # noqa: E402
from harness import PRICE, expect, expect_equal, interop_cloud, new_folder, probe  # noqa: E402
from suites import run_tests  # noqa: E402

PYTHON, NODE = sys.executable, os.environ.get("DECLOUD_NODE", "node")
GO = str(pathlib.Path(PYTHON).parent / "go")
PAYER = 4
SEED = 9421


def pem(private):
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption())


class EthAccount:
    """A credential whose proof is made by eth-account's personal_sign."""

    def __init__(self):
        self.wallet = Wallet.create()
        self.address = self.wallet.address.lower()

    def sign_text(self, text):
        return "0x" + bytes(self.wallet.sign_message(encode_defunct(text=text)).signature).hex()


def mutation(source, text):
    """The text with one small change, which may change nothing."""
    at, character = source.randrange(len(text)), source.choice('"();=:,?@*abcZ019 -_.%\\/+')
    return source.choice([text[:at] + character + text[at:], text[:at] + text[at + 1:], text[:at],
                          text[:at] + text[source.randrange(len(text)):], f"{text}, {text}"])


def means_the_same(name, headers, mutated):
    """True if a reader of structured fields finds what was there before under each label that has an input."""
    if name == "opencloud-audience":
        return mutated.strip() == headers[name]
    was, now = (opencloud.fields.parse_dictionary(each) for each in (headers[name], mutated))
    return all(now.get(label) == value for label, value in was.items()) and (name == "signature" or len(now) == len(was))


class Impostor(opencloud.Client):
    """Sees a node that says it is another provider's."""

    def _exchange(self, *request):
        answer = super()._exchange(*request)
        about = json.loads(answer.body)
        about["provider"]["audience"] = about["provider"]["audience"][:-2] + "00"
        answer.body = json.dumps(about).encode()
        return answer


class Tests:
    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        program = {"program.wasm": probe("wasm").read_bytes()}
        self.free = "/" + cloud.upload(cloud.user(), program)
        self.paid = "/" + cloud.upload(cloud.user(), program, ownerPays={"callers": "none", "perDay": 1})
        cloud.fund(development_account(PAYER), 100 * PRICE)
        self.account = Account(DEVELOPMENT_KEYS[PAYER])
        self.keys = [opencloud.Key(ed25519.Ed25519PrivateKey.generate()),
                     opencloud.Key(ec.generate_private_key(ec.SECP256R1()))]
        for name, key in zip(("ed25519", "p256"), self.keys):
            (folder / f"{name}.pem").write_bytes(pem(key.private))

    def client(self, *arguments, **options):
        return opencloud.Client(self.cloud.node_url, *arguments, **options)

    def runs(self, command, wanted, folder=None, code=0):
        """A client's program prints this body, and on its other stream how it came to it."""
        done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, env=os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"})
        expect(done.returncode == code and wanted in done.stdout, f"{command}: {done.returncode} {done.stdout} {done.stderr}")
        return done.stderr

    def paid_by(self, count, action):
        """The payer is charged for so many calls."""
        with self.cloud.costs(count * PRICE, development_account(PAYER).address):
            return action()

    def test_the_vectors_are_what_the_library_makes(self):
        folder = HERE.parents[1] / "vectors" / "opencloud"
        self.runs([PYTHON, folder / "make.py", "--check"], "")
        told = json.loads((folder / "requests.json").read_text())
        for vector in told["vectors"]:
            expect_equal(opencloud.fields.write(self.digest_of(vector, told)), vector["openCloudRequest"], vector["name"])

    def test_answers_of_the_vectors_are_accepted_and_refused(self):
        told = json.loads((HERE.parents[1] / "vectors" / "opencloud" / "answers.json").read_text())
        for vector in told["vectors"]:
            seen = vector["answer"]
            answer = opencloud.Answer(seen["status"], seen["headers"], seen["trailers"], base64.b64decode(seen["body"]))
            try:
                opencloud.check_answer(answer, self.digest_of(vector, told), told["node"]["id"])
                accepted = True
            except opencloud.Refused:
                accepted = False
            expect_equal(accepted, vector["verdict"]["accepted"], vector["name"])

    def digest_of(self, vector, told):
        request = vector["request"]
        return opencloud.request_digest(
            request["method"], request["target"], base64.b64decode(request["body"]), told["node"]["audience"])

    # The programs of examples/clients.

    def test_python(self):
        command = [PYTHON, CLIENTS / "python" / "opencloud.py"]
        keys = ["--key", self.folder / "ed25519.pem", "--key", self.folder / "p256.pem"]
        body = self.folder / "body"
        body.write_bytes(b"from a file")
        self.runs([*command, *keys, "--body", body, f"{self.cloud.node_url}{self.free}?echo=1&a=%41"], "from a file")
        pays = ["--account", f"{DEVELOPMENT_KEYS[PAYER]:#x}", "--max", PRICE]
        self.paid_by(1, lambda: self.runs([*command, *keys, *pays, f"{self.cloud.node_url}{self.paid}?bytes=4"], "xxxx"))
        self.paid_by(1, lambda: self.runs([*command, *pays, f"{self.cloud.node_url}{self.paid}?bytes=4"], "xxxx"))

    def test_python_http_message_signatures(self):
        command = [PYTHON, CLIENTS / "python-http-message-signatures" / "call.py"]
        for key in ("ed25519", "p256"):
            told = self.runs([*command, self.folder / f"{key}.pem", f"{self.cloud.node_url}{self.free}?echo=1&a=%41", "--body",
                              "some text"], "some text")
            expect("200 ok, 2 round trips, verified: True" in told, told)
        told = self.paid_by(1, lambda: self.runs(
            [*command, self.folder / "p256.pem", f"{self.cloud.node_url}{self.paid}?bytes=4", "--account",
             f"{DEVELOPMENT_KEYS[PAYER]:#x}", "--max", PRICE], "xxxx"))
        expect("200 ok, 3 round trips, verified: True" in told, told)

    def test_javascript(self):
        folder = CLIENTS / "javascript"
        for key in ("ed25519", "p256"):
            told = self.runs([NODE, "call.mjs", self.folder / f"{key}.pem", f"{self.cloud.node_url}{self.free}?echo=1&a=%41",
                              "some text"], "some text", folder)
            expect("200 ok, 2 round trips, verified: true" in told, told)
        told = self.paid_by(1, lambda: self.runs(
            [NODE, "call.mjs", self.folder / "p256.pem", f"{self.cloud.node_url}{self.paid}?bytes=4", "",
             f"0x{DEVELOPMENT_KEYS[PAYER]:064x}", PRICE], "xxxx", folder))
        expect("200 ok, 3 round trips, verified: true" in told, told)

    def go(self):
        """The built client."""
        program = self.folder / "call"
        if not program.exists():
            self.runs([GO, "build", "-o", program, "."], "", CLIENTS / "go")
        return program

    def test_go(self):
        program = self.go()
        told = self.runs([program, self.folder / "ed25519.pem", f"{self.cloud.node_url}{self.free}?echo=1&a=%41", "some text"],
                         "some text")
        expect("200 ok, 2 round trips, verified: true" in told, told)
        self.runs([program, self.folder / "ed25519.pem", f"{self.cloud.node_url}{self.paid}"], "acceptable", code=1)

    def test_curl(self):
        self.runs([CLIENTS / "curl" / "call", f"{self.cloud.node_url}{self.free}?echo=1", "some text"], "some text")
        self.runs([CLIENTS / "curl" / "call", f"{self.cloud.node_url}{self.paid}"], "acceptable", code=22)

    # What the client of the page alone does.

    def test_each_answer_brings_the_next_nonce(self):
        client = self.client(self.keys)
        expect_equal(client.send("GET", self.free + "?bytes=1").word, "request-declined.refresh-nonce", "without a nonce")
        for _ in range(3):
            expect_equal(client.send("GET", self.free + "?bytes=1").word, "ok", "with the last answer's nonce")

    def test_a_large_answer_is_verified(self):
        body = os.urandom(3_000_000)
        expect_equal(self.client(self.keys).call("POST", self.free + "?echo=1", body).body, body, "the echo")

    def test_an_answer_that_is_streamed_is_verified_by_its_trailers(self):
        client = self.client(self.keys)
        for _ in range(2):
            answer = client.call("GET", self.free + "?slow=300")
            expect_equal((answer.body, "signature" in answer.trailers), (b"first\nlast\n", True), f"{answer.headers}")
        url, key = f"{self.cloud.node_url}{self.free}?slow=300", self.folder / "ed25519.pem"
        for command, folder in (([NODE, "call.mjs", key, url], CLIENTS / "javascript"), ([self.go(), key, url], None)):
            told = self.runs(command, "first\nlast\n", folder)
            expect("200 ok, 2 round trips, verified: true" in told, told)

    def test_whose_node_it_is_is_proved(self):
        self.client(self.keys, provider=self.cloud.provider)
        for client, reason in ((lambda: self.client(self.keys, provider="0x" + "11" * 20), "not of 0x11"),
                               (lambda: Impostor(self.cloud.node_url), "not the provider's")):
            try:
                client()
            except opencloud.Refused as problem:
                expect(reason in str(problem), str(problem))
            else:
                raise AssertionError(f"trusted: {reason}")

    def test_through_the_gateway_signed_and_paid(self):
        client = opencloud.Client(f"{self.cloud.gateway_url}/p/alice.decloud", self.keys, self.account, PRICE)
        expect_equal(client.call("GET", self.free + "?bytes=2").body, b"xx", "free")
        expect_equal(self.paid_by(1, lambda: client.call("GET", self.paid + "?bytes=2")).body, b"xx", "paid")

    def test_a_bid_that_is_too_low_is_raised_once(self):
        client = self.client(self.keys[:1], self.account, PRICE, bid=PRICE - 1)
        client.call("GET", self.free + "?bytes=1")
        low = client.send("GET", self.paid, payment="attached", bid=PRICE - 1)
        expect_equal((low.status, low.word), (402, "request-declined.payment-declined.too-low"), low.body)
        self.paid_by(1, lambda: client.call("GET", self.paid + "?bytes=1"))

    def test_a_bid_never_passes_the_maximum(self):
        for first in (0, 1):
            client = self.client(self.keys, self.account, PRICE - 1, bid=first)
            expect("the maximum is" in self.paid_by(0, lambda: self.refused(client, self.paid)), "another reason")

    def test_what_cannot_be_deferred_is_paid_or_not_done(self):
        client = self.client(self.keys, self.account, PRICE, defer=True)
        self.paid_by(1, lambda: client.call("GET", self.paid + "?bytes=1"))
        told = self.refused(self.client(self.keys, defer=True), self.paid)
        expect("no-defer: no payment of ours" in told, told)

    def test_what_is_deferred_is_owed_and_paid_once(self):
        write(self.cloud, '[[rule]]\ndefer = { currency = "USDC", amount = 5000, total = 9000, time = "2h" }\n')
        client = self.client(self.keys, self.account, PRICE, defer=True)
        for count in (1, 2):
            answer = self.paid_by(0, lambda: client.call("GET", self.paid + "?bytes=1"))
            expect_equal(answer.field("opencloud-debt").split(";")[0], str(count * PRICE), "what is owed")
        client.debt()
        debt = self.paid_by(0, client.debt)
        expect_equal((debt["id"], debt["owed"], debt["broken"]), (self.keys[0].id, str(2 * PRICE), 0), str(debt))
        expect_equal(self.paid_by(2, client.repay), 2 * PRICE, "repaid")
        expect_equal((self.paid_by(0, client.repay), client.debt()["kept"]), (0, 1), "nothing more")
        write(self.cloud, "")

    def test_services_and_methods_that_are_not_there(self):
        client = self.client(self.keys)
        expect("client-error.service-unsupported" in self.refused(client, "/oc/v1/nothing/at-all", "POST"), "service")
        expect("client-error.method-unsupported" in self.refused(client, "/oc/v1/compute/nothing", "POST"), "method")

    def refused(self, client, target, method="GET"):
        try:
            answer = client.call(method, target)
        except opencloud.Refused as problem:
            return str(problem)
        raise AssertionError(f"{target}: {answer.status} {answer.word}")

    # What the node says of its services.

    def test_a_declared_service_is_quoted_and_paid_by_the_unit(self):
        added(self.cloud, new_folder("sha256"), "sha256")
        body = os.urandom(5000)
        client = self.client(self.keys, self.account, PRICE)
        amount = int(client.quote("sha256", "hash", **{"request-kib": 5})["amount"])
        with self.cloud.costs(amount, self.account.address):
            answer = client.call("POST", "/oc/v1/sha256/hash", body)
        expect_equal(answer.body.decode(), hashlib.sha256(body).hexdigest() + "\n", "the digest")

    def test_an_owner_pays_for_an_id(self):
        cid = "/" + self.cloud.upload(self.cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                                      ownerPays={"callers": [self.keys[1].id], "perDay": 10})
        for keys in (self.keys[1:], self.keys[::-1]):
            expect_equal(self.client(keys).call("GET", cid + "?bytes=1").word, "ok", "the first id is on the list")
        expect("acceptable-payment" in self.refused(self.client(self.keys[:1]), cid), "another id")

    def test_the_openapi_description_is_valid(self):
        told = json.loads(http1.request(self.cloud.node_url + "/oc/v1/openapi.json").body)
        openapi_spec_validator.validate(told)
        for service in ("info", "compute", "content", "sha256"):
            for method in ("info", "methods", "quote"):
                expect(f"/oc/v1/{service}/{method}" in told["paths"], f"{service}.{method} is not described")

    def test_the_openapi_description_is_true(self):
        """schemathesis sends what the description allows and what it forbids, and reads the answers by it."""
        checks = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
                  "response_headers_conformance")
        done = subprocess.run(
            [pathlib.Path(PYTHON).parent / "schemathesis", "run", f"{self.cloud.node_url}/oc/v1/openapi.json", "--checks",
             ",".join(checks), "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", str(SEED),
             "--generation-database", "none", "--request-timeout", "20", "--no-color", "--continue-on-failure"],
            cwd=self.folder, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
            env=os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)})
        expect_equal(done.returncode, 0, f"{done.stdout[-6000:]} {done.stderr[-1000:]}")

    def test_services_say_what_they_are_and_cost(self):
        client = self.client(self.keys)
        told = json.loads(client.call("POST", "/oc/v1/info/info").body)
        expect_equal(told["node"]["id"], client.node_id, "info.info")
        for service in ("compute", "content"):
            told = json.loads(client.call("POST", f"/oc/v1/{service}/info").body)
            expect(told["service"] == service and told["methods"] and told["summary"], f"{told}")
            listed = json.loads(client.call("POST", f"/oc/v1/{service}/methods").body)["methods"]
            expect_equal(sorted(each["name"] for each in listed), sorted(told["methods"]), f"{service}'s methods")

    def test_a_quote_is_signed_and_is_what_a_call_costs(self):
        client = self.client(self.keys, self.account, PRICE)
        for count in (1, 3):
            quote = client.quote("compute", "call", call=count)
            expect_equal((quote["service"], quote["method"], quote["signer"], quote["provider"], quote["units"]),
                         ("compute", "call", client.node_id, client.audience, {"call": str(count)}), f"{quote}")
            expect_equal(int(quote["amount"]), count * PRICE, "the quoted price")
            expect(quote["issued"] - 30 <= time.time() < quote["expires"], f"{quote}")
        self.paid_by(1, lambda: client.call("POST", f"/oc/v1/compute/call?arg={self.paid[1:]}"))
        expect("method-unsupported" in self.refused(client, "/oc/v1/compute/quote?arg=nothing", "POST"), "another reason")

    def test_an_ethereum_account_is_a_credential(self):
        client = self.client(self.keys, credentials=[EthAccount(), EthAccount()])
        expect_equal(client.call("GET", self.free + "?bytes=1").word, "ok", "two accounts")
        client.credentials[0].address = client.credentials[1].address
        answer = client.send("GET", self.free + "?bytes=1")
        expect_equal((answer.status, answer.word), (401, "client-error.invalid-signature"), "another's proof")

    def test_a_policy_knows_keys_and_credentials(self):
        wallet = EthAccount()
        write(self.cloud, f'''default = "deny"
            [[rule]]
            id = ["{self.keys[0].id}", "{wallet.address}"]
            allow = true
            ''')
        try:
            for client, wanted in ((self.client(self.keys[:1]), (200, "ok")), (self.client(self.keys[::-1]), (200, "ok")),
                                   (self.client(self.keys[1:]), (403, "request-declined")),
                                   (self.client(self.keys[1:], credentials=[wallet]), (200, "ok")),
                                   (self.client(self.keys[1:], credentials=[EthAccount()]), (403, "request-declined")),
                                   (self.client(), (403, "request-declined"))):
                client.send("GET", self.free + "?bytes=1")
                answer = client.send("GET", self.free + "?bytes=1")
                expect_equal((answer.status, answer.word), wanted, answer.body)
        finally:
            write(self.cloud, "")

    def test_another_account_of_ours_signs_as_eth_account_does(self):
        wallet = EthAccount()
        ours = Account(wallet.wallet.key.hex())
        for text in ("", "a", "x" * 300):
            signed = bytes.fromhex(ours.sign_text(text)[2:])
            expect_equal(Wallet.recover_message(encode_defunct(text=text), signature=signed).lower(), wallet.address, text)

    # What is refused. `bytes_of` is a request as it goes out, with a good nonce.

    def bytes_of(self, client, target, body=b"", method="POST"):
        client.send("GET", self.free)
        return [method, target, client.sign(method, target, body, {}), body]

    def sent(self, client, method, target, headers, body):
        answer = client._exchange(method, target, headers, body)
        return answer.status, answer.word

    def test_a_request_is_served_once_also_after_a_kill(self):
        client = self.client(self.keys)
        request = self.bytes_of(client, self.free + "?echo=1", b"once")
        expect_equal(self.sent(client, *request), (200, "ok"), "the first time")
        expect_equal(self.sent(client, *request), (401, "request-declined.refresh-nonce"), "again")
        unused = self.bytes_of(client, self.free + "?echo=1", b"never")
        self.cloud.kill_node()
        for each in (request, unused):
            expect_equal(self.sent(client, *each), (401, "request-declined.refresh-nonce"), "after a kill")
        expect_equal(client.call("GET", self.free + "?bytes=1").word, "ok", "the client goes on")

    def test_what_is_changed_is_refused(self):
        client = self.client(self.keys)
        invalid = (401, "client-error.invalid-signature")
        method, target, headers, body = self.bytes_of(client, self.free + "?echo=1", b"body")
        other = {"content-digest": opencloud.content_digest(b"b0dy")}
        expect_equal(self.sent(client, method, self.paid + "?echo=1", headers, body), invalid, "path")
        expect_equal(self.sent(client, method, target + "&a", headers, body), invalid, "query")
        expect_equal(self.sent(client, "PUT", target, headers, body), invalid, "method")
        expect_equal(self.sent(client, method, target, headers | other, b"b0dy"), invalid, "body and digest")
        expect_equal(self.sent(client, method, target, headers | {"opencloud-payment": "none"}, body), invalid, "a field")
        expect_equal(self.sent(client, method, target, headers, body), (200, "ok"), "unchanged")
        method, target, headers, body = self.bytes_of(client, self.free + "?echo=1", b"body")
        expect_equal(self.sent(client, method, target, headers, b"b0dy"), (400, "client-error.bad-request"), "body")

    def test_mutations_are_refused_unless_they_mean_the_same(self):
        random_source, client = random.Random(SEED), self.client(self.keys)
        served = refused = 0
        for _ in range(400):
            method, target, headers, body = self.bytes_of(client, self.free, method="GET")
            name = random_source.choice(["signature-input", "signature", "opencloud-audience"])
            mutated = mutation(random_source, headers[name])
            answer = http1.request(self.cloud.node_url + target, method, headers | {name: mutated})
            if answer.status == 200:
                served += 1
                expect(means_the_same(name, headers, mutated), f"{name}: {mutated} is served as {headers[name]}")
            else:
                refused += 1
                expect(answer.status in (400, 401, 421), f"{name}: {mutated}: {answer.status} {answer.text}")
        expect(served and refused > 300, f"{served} served, {refused} refused")

    def test_another_audience_and_another_time(self):
        client = self.client(self.keys)
        real = client.audience
        client.audience = real[:-2] + ("00" if real[-2:] != "00" else "11")
        expect_equal(self.sent(client, *self.bytes_of(client, self.free))[0], 421, "another audience")
        client.audience = real
        for difference in (-31, 60):
            client.clock = time.time
            client.send("GET", self.free)
            client.clock = lambda: time.time() + difference
            answer = client.send("GET", self.free)
            expect_equal((answer.status, answer.word), (401, "client-error.invalid-signature"), answer.body)
            expect("30 s" in answer.problem["detail"] and "clock" in json.dumps(answer.problem), answer.body)


def main():
    with interop_cloud() as cloud:
        return run_tests(Tests(cloud, new_folder("opencloud")))


if __name__ == "__main__":
    sys.exit(main())
