"""Accounts whose keys are with a signer elsewhere; here anvil, which knows its own accounts' keys. clef is in
tests/interop/clef."""

import http.server
import json
import urllib.request

from ethereum import Account, development_account
from harness import PRICE, USDC, expect, expect_equal, probe, project, wait_for
from http_server import send, serving

COLD, OTHER, VOUCHING = development_account(4), development_account(5), development_account(6)
SENDING, CHANGING = development_account(7), development_account(8)


class Wallet(http.server.BaseHTTPRequestHandler):
    """What anvil can do, as browser wallets offer it: transactions are sent, never only signed; `change` is what the user edits."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.methods.append(asked["method"])
        if asked["method"] in ("eth_signTransaction", "account_signTransaction"):
            answer = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": 4200, "message": "unsupported"}})
            answer = answer.encode()
        else:
            if asked["method"] == "eth_sendTransaction":
                asked["params"][0] |= self.server.change
            request = urllib.request.Request(self.server.rpc, json.dumps(asked).encode(),
                                             {"Content-Type": "application/json"})
            answer = urllib.request.urlopen(request, timeout=60).read()
        send(self, answer, Content_Type="application/json")


def wallet(cloud, **change):
    return serving(Wallet, methods=[], rpc=rpc(cloud), change=change)


def rpc(cloud):
    return cloud.info["chain"]["rpc"]


def test_everything_is_signed_by_the_signer_and_the_key_is_never_here(cloud, folder):
    cloud.good("account", "add", "cold", COLD.address, "--external", rpc(cloud))
    cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)", COLD.address,
               5 * USDC)
    cloud.good("escrow", "deposit", "5", "--account", "cold")
    cloud.good("escrow", "approve", "alice.decloud", "--price", "0.001", "--budget", "2", "--account", "cold")
    expect_equal((cloud.free(COLD.address), cloud.on_chain(COLD.address)["reserved"]), (3 * USDC, 2 * USDC), "money")
    wait_for("the node to see the channel", lambda: cloud._sees(COLD.address, PRICE, 2 * USDC), 20)
    cloud.good("deploy", project(folder / "echo", "coldecho", runtime="wasm", program=probe("wasm")), "--provider",
               "alice.decloud", "--account", "cold")
    with cloud.costs(2 * PRICE, COLD.address):
        expect_equal(cloud.good("call", "coldecho?echo=1", "-d", "one").out, "one", "the owner pays")
        expect_equal(cloud.good("call", "coldecho?echo=1", "-d", "two", "--pay", "--account", "cold").out, "two",
                     "the caller pays")
    cloud.good("undeploy", "coldecho", "--account", "cold")
    expect_equal(cloud.cli("call", "coldecho?echo=1").code != 0, True, "revoked")
    stored = (cloud.home / "data" / "keys" / "accounts" / "cold.json").read_text()
    expect(f"{COLD.secret:064x}" not in stored and rpc(cloud) in stored, stored)


def test_channels_are_opened_and_vouchers_signed_by_the_signer(cloud):
    cloud.good("account", "add", "vouching", VOUCHING.address, "--external", rpc(cloud))
    cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)", VOUCHING.address,
               3 * USDC)
    cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                       ownerPays={"callers": "none", "perDay": 1})
    for text in ("one", "two"):
        done = cloud.cli("--account", "vouching", "call", f"{cid}?echo=1", "--provider", "alice.decloud", "--pay", "-d",
                         text, timeout=120)
        expect_equal((done.code, done.out), (0, text), str(done))
    known = cloud.ledger(VOUCHING.address.lower())
    expect_equal((int(known["spent"]), int(known["accepted"])), (2 * PRICE, 32 * PRICE), "spent and signed for")


def test_a_wallet_that_only_sends_does_everything(cloud, folder):
    # Gas and fees are its user's to choose.
    with wallet(cloud, gas=hex(900_000), maxFeePerGas=hex(7 * 10**9), maxPriorityFeePerGas=hex(10**9)) as server:
        cloud.good("account", "add", "sending", SENDING.address, "--external", server.url)
        cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)", SENDING.address,
                   5 * USDC)
        cloud.good("escrow", "deposit", "5", "--account", "sending")
        cloud.good("escrow", "approve", "alice.decloud", "--price", "0.001", "--budget", "2", "--account", "sending")
        expect_equal((cloud.free(SENDING.address), cloud.on_chain(SENDING.address)["reserved"]), (3 * USDC, 2 * USDC),
                     "money")
        expect_equal(server.methods.count("eth_sendTransaction"), 3, "allowance, deposit, approval: once each")
        wait_for("the node to see the channel", lambda: cloud._sees(SENDING.address, PRICE, 2 * USDC), 20)
        cloud.good("deploy", project(folder / "sent", "sentecho", runtime="wasm", program=probe("wasm")), "--provider",
                   "alice.decloud", "--account", "sending")
        with cloud.costs(PRICE, SENDING.address):
            expect_equal(cloud.good("call", "sentecho?echo=1", "-d", "one").out, "one", "the owner pays")


def test_a_wallet_that_sends_something_else_is_said(cloud):
    with wallet(cloud, value=hex(1)) as server:
        cloud.good("account", "add", "changing", CHANGING.address, "--external", server.url)
        done = cloud.cli("provider", "trial", "grant", cloud.account, "--calls", "1", "--account", "changing")
        expect(done.code != 0 and "0x" in done.err and "another one" in done.err, done)


def test_a_signer_that_does_not_sign_is_told_apart(cloud):
    stranger = Account.fresh().address
    cloud.good("account", "add", "stranger", stranger, "--external", rpc(cloud))
    cloud.chain.rpc("anvil_setBalance", stranger, hex(10**18))
    done = cloud.cli("provider", "trial", "grant", cloud.account, "--calls", "1", "--account", "stranger")
    expect(done.code == 4 and rpc(cloud) in done.err and "help:" in done.err, f"a key that it does not have: {done}")
    cloud.good("account", "add", "nowhere", OTHER.address, "--external", "http://127.0.0.1:1/")
    done = cloud.cli("escrow", "deposit", "1", "--account", "nowhere")
    expect(done.code != 0 and "127.0.0.1:1" in done.err, f"no signer: {done}")
    for arguments in (("short", "0x12", "--external", rpc(cloud)), ("cold2", OTHER.address, "--external", "ftp://x"),
                      ("cold2", OTHER.address)):
        expect_equal(cloud.cli("account", "add", *arguments).code, 64, str(arguments))
    for verb in ("encrypt", "decrypt", "export"):
        more = ["--file", cloud.home / "out"] if verb == "export" else []
        done = cloud.cli("account", verb, "nowhere", *more, environment=cloud.environment | {
            "DECLOUD_HOME": str(cloud.home), "DECLOUD_PASSPHRASE": "x"})
        expect(done.code != 0, f"{verb} of a key that is not here: {done}")
