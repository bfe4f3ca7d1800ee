"""What a user signs, signed by clef: this program is clef's user interface, and says yes or no."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from ethereum import development_account  # noqa: E402
from harness import (PRICE, USDC, clean_environment, ends_with_parent, expect, expect_equal,  # noqa: E402
                     interop_cloud, probe, project, run_program, wait_for)

PASSPHRASE = "nobody's business"


class Clef:
    """The signer, and the user who sits before it."""

    def __init__(self, program, folder, chain_id):
        self.keys = folder / "keys"
        self.keys.mkdir(parents=True)
        self.approves, self.asked = True, []
        self.url = None
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [program, "--stdio-ui", "--suppress-bootwarn", "--http", "--http.port", "0", "--chainid", str(chain_id),
             "--keystore", str(self.keys), "--configdir", str(folder / "config"), "--auditlog", str(folder / "audit"),
             "--4bytedb-custom", str(folder / "4byte.json"), "--lightkdf", "--ipcdisable"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=ends_with_parent)
        self.user = threading.Thread(target=self._sit, daemon=True)
        self.user.start()

    def _sit(self):
        for line in self.process.stdout:
            question = json.loads(line)
            method, parameters = question["method"].removeprefix("ui_"), question.get("params", [{}])
            if method == "onSignerStartup":
                self.url = parameters[0]["info"]["extapi_http"]
            self.asked.append(method)
            if "id" in question:
                answer = {"jsonrpc": "2.0", "id": question["id"], "result": self._decide(method, parameters[0])}
                self.process.stdin.write(json.dumps(answer).encode() + b"\n")
                self.process.stdin.flush()

    def _decide(self, method, what):
        if method == "onInputRequired":
            return {"text": PASSPHRASE}
        if method == "approveTx":
            return {"approved": self.approves, "transaction": what["transaction"]}
        if method == "approveListing":
            return {"accounts": what["accounts"]}
        return {"approved": self.approves}

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def accounts(self):
        question = {"jsonrpc": "2.0", "id": 1, "method": "account_list", "params": []}
        asked = urllib.request.Request(self.url, json.dumps(question).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return [address.lower() for address in json.load(answer).get("result") or []]

    def count(self, method):
        return self.asked.count(method)


def run_all(clef_program):
    passed = True
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="decloud-clef-")))
        cloud = stack.enter_context(interop_cloud())
        clef = Clef(clef_program, folder / "clef", cloud.chain_id)
        stack.callback(clef.stop)
        wait_for("clef", lambda: clef.url, 60)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                try:
                    test(cloud, clef, folder)
                    print(f"ok {name[5:]}", flush=True)
                except Exception:
                    passed = False
                    print(f"not ok {name[5:]}", flush=True)
                    traceback.print_exc()
                    sys.stderr.write((folder / "clef" / "log").read_text(errors="replace")[-3000:])
    return passed


def hand_over(cloud, clef, name, home):
    """The account's key goes into clef's folder as V3 JSON, and out of our home."""
    secret, out = clef.keys.parent / "passphrase", clef.keys / f"{name}.json"
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o600)
    environment = clean_environment() | {"DECLOUD_HOME": str(home)}
    done = run_program("account", "export", name, "--encrypt", "--file", out, "--passphrase-file", secret, "--json",
                       environment=environment)
    expect_equal(done.code, 0, str(done))
    (pathlib.Path(home) / "data" / "keys" / "accounts" / f"{name}.json").unlink()
    address = done.json["address"]
    cloud.good("account", "add", name, address, "--external", clef.url)
    # It looks at its folder when that changes, a moment later.
    wait_for("clef to have the key", lambda: address.lower() in clef.accounts(), 30)
    return address


def test_escrow_transactions_are_signed_by_clef(cloud, clef, folder):
    home = folder / "maker"
    environment = clean_environment() | {"DECLOUD_HOME": str(home)}
    expect_equal(run_program("account", "create", "cold", environment=environment).code, 0, "create")
    address = hand_over(cloud, clef, "cold", home)
    listed = cloud.good("account", "list", "--json").json["accounts"]
    expect({"name": "cold", "address": address, "encrypted": False, "external": clef.url} in listed, str(listed))
    cloud.chain.rpc("anvil_setBalance", address, hex(10**18))
    cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)", address, 5 * USDC)
    before = clef.count("approveTx")
    cloud.good("escrow", "deposit", "5", "--account", "cold")
    cloud.good("escrow", "approve", "alice.decloud", "--price", "0.001", "--budget", "2", "--account", "cold")
    expect_equal(clef.count("approveTx") - before, 3, "transactions: the token's approval, deposit, approve")
    expect_equal((cloud.free(address), cloud.on_chain(address)["reserved"]), (3 * USDC, 2 * USDC), "money")


def test_deployments_calls_and_revocations_are_signed_by_clef(cloud, clef, folder):
    address = cloud.good("account", "show", "cold").out.strip()
    wait_for("the node to see the channel", lambda: cloud._sees(address, PRICE, 2 * USDC), 20)
    before = clef.count("approveSignData")
    cloud.good("deploy", project(folder / "echo", "coldecho", runtime="wasm", program=probe("wasm")), "--provider",
               "alice.decloud", "--account", "cold", timeout=120)
    with cloud.costs(2 * PRICE, address):
        expect_equal(cloud.good("call", "coldecho?echo=1", "-d", "one").out, "one", "the owner pays")
        expect_equal(cloud.good("call", "coldecho?echo=1", "-d", "two", "--pay", "--account", "cold").out, "two",
                     "the caller pays")
    cloud.good("undeploy", "coldecho", "--account", "cold")
    expect_equal(clef.count("approveSignData") - before, 4, "Deployment, two CallAuthorizations, Revocation")


def test_vouchers_and_windows_are_signed_by_clef(cloud, clef, folder):
    home = folder / "maker"
    environment = clean_environment() | {"DECLOUD_HOME": str(home)}
    expect_equal(run_program("account", "create", "payer", environment=environment).code, 0, "create")
    address = hand_over(cloud, clef, "payer", home)
    cloud.chain.rpc("anvil_setBalance", address, hex(10**18))
    cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)", address, 3 * USDC)
    cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                       ownerPays={"callers": "none", "perDay": 1})
    before = clef.count("approveSignData")
    done = cloud.good("call", f"{cid}?echo=1", "-d", "by voucher", "--provider", "alice.decloud", "--pay", "--account",
                      "payer", timeout=120)
    expect_equal((done.out, clef.count("approveSignData") - before), ("by voucher", 2), "Voucher and Window")
    expect_equal(int(cloud.ledger(address.lower())["accepted"]), 32 * PRICE, "signed for")


def test_what_clef_refuses_is_not_done(cloud, clef, folder):
    address = cloud.good("account", "show", "cold").out.strip()
    clef.approves = False
    try:
        for arguments in (("escrow", "withdraw", "1"),
                          ("deploy", project(folder / "no", "no", runtime="wasm", program=probe("wasm")),
                           "--provider", "alice.decloud")):
            done = cloud.cli(*arguments, "--account", "cold", timeout=120)
            expect(done.code == 4 and "denied" in done.err.lower() and "help:" in done.err, str(done))
    finally:
        clef.approves = True
    expect_equal(cloud.free(address), 3 * USDC, "nothing was withdrawn")
    done = cloud.cli("account", "export", "cold", "--file", folder / "out")
    expect(done.code != 0 and clef.url in done.err, f"a key that is not here: {done}")


def test_a_providers_account_vouches_for_its_node_by_clef(cloud, clef, folder):
    hand_over(cloud, clef, "provider", cloud.home)
    before = clef.count("approveSignData")
    made = cloud.good("provider", "rotate-key", "identity", "--json").json
    expect_equal(clef.count("approveSignData") - before, 1, "the Delegation")
    cloud.kill_node()
    expect_equal(cloud.well_known()["node"]["id"], made["key"], "the node's key")
    cloud.good("provider", "trial", "grant", cloud.account, "--calls", "1")


if __name__ == "__main__":
    sys.exit(0 if run_all(sys.argv[1]) else 1)
