"""Calls paid for by vouchers: one signature for many, each call bound to its request by a MAC."""

import base64
import hashlib
import hmac
import json
import os
import time

import http1
from content import canonical, encrypt
from ethereum import Account, Domain, development_account
from harness import PRICE, expect, expect_equal, in_threads, probe, request_digest, says_what_to_do, wait_for

PAYER = development_account(4)
OTHER = development_account(5)
BUDGET = 300 * PRICE


def function(cloud):
    if not hasattr(cloud, "window_cid"):
        cloud.window_cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                                        ownerPays={"callers": "none", "perDay": 1000},
                                        limits={"requestBytes": 4 << 20})
    return cloud.window_cid


class Payer:
    """A client of its own making: a channel with a signer, and the windows that it opens."""

    def __init__(self, cloud, account=PAYER, budget=BUDGET):
        self.cloud, self.account = cloud, account
        self.signer = Account.fresh()
        salt = "0x" + os.urandom(32).hex()
        usdc = cloud.info["chain"]["usdc"]
        cloud.send(development_account(0).address, usdc, "mint(address,uint256)", account.address, budget)
        cloud.send(account.address, usdc, "approve(address,uint256)", cloud.escrow, budget)
        cloud.send(account.address, cloud.escrow, "deposit(uint128)", budget)
        cloud.send(account.address, cloud.escrow, "approve(address,uint128,uint128,address,bytes32)", cloud.provider,
                   PRICE, budget, self.signer.address, salt)
        self.channel = cloud.chain.view(cloud.escrow, "channelId(address,address,bytes32,address)", account.address,
                                        cloud.provider, salt, self.signer.address)[0]
        if not isinstance(self.channel, str):
            self.channel = "0x" + int(self.channel).to_bytes(32, "big").hex()
        self.first = self.next = 1
        wait_for("the node to see the channel", self._seen, 20)

    def _seen(self):
        return self.ask().get("channel")

    def ask(self):
        """What the provider knows of the channel."""
        answer = self.send(self.cloud.node(function(self.cloud)), sequence=0)
        expect_equal(answer.status, 402, answer.text)
        return answer.json

    def window(self, first=None, **changes):
        """Opens one: the parameters that its first call brings."""
        self.first = self.next if first is None else first
        self.next = max(self.next, self.first)
        self.key = os.urandom(32)
        fields = {"channelId": self.channel, "keyHash": "0x" + hashlib.sha256(self.key).hexdigest(),
                  "firstSequence": self.first, "validBefore": int(time.time()) + 300} | changes
        statement = self.cloud.domain.sign(self.signer, "Window", fields)
        rsa = self.cloud.well_known()["rsaKey"]
        return {"window": canonical(statement), "key": encrypt(self.key, [rsa])}

    def voucher(self, amount, signer=None):
        domain = Domain(self.cloud.chain_id, self.cloud.escrow, "EVM Payment Channel")
        statement = domain.sign(signer or self.signer, "Voucher",
                                {"channelId": self.channel, "cumulativeAmount": amount})
        return {"voucher": canonical(statement)}

    def send(self, url, body=b"", sequence=None, mac_key=None, method="POST", **parts):
        if sequence is None:
            sequence, self.next = self.next, self.next + 1
        digest = request_digest(method, http1.target_of(url), body, self.cloud.audience)
        message = (b"decloud window 1" + bytes.fromhex(self.channel[2:]) + sequence.to_bytes(8, "big") + digest)
        mac = hmac.digest(mac_key or getattr(self, "key", bytes(32)), message, "sha256")
        self.header = f'attached;method="window";payload={_bytes(mac)};channel=' \
                      f'{_bytes(bytes.fromhex(self.channel[2:]))};sequence={sequence}'
        for name, content in parts.items():
            self.header += f";{name}={_bytes(content)}"
        return http1.request(url, method, [("OpenCloud-Payment", self.header)], body)


def _bytes(content):
    return ":" + base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode() + ":"


def payer(cloud):
    """A payer with an open window and a voucher over most of its money, shared by tests."""
    if not hasattr(cloud, "window_payer"):
        made = cloud.window_payer = Payer(cloud)
        answer = made.send(cloud.node(function(cloud), "?echo=1"), b"first", **made.window(), **made.voucher(200 * PRICE))
        expect_equal((answer.status, answer.body), (200, b"first"), answer.text)
    return cloud.window_payer


def spent(made):
    return int(made.ask()["channel"]["spent"])


def test_one_voucher_pays_for_many_calls_by_every_way_in(cloud):
    made, cid = payer(cloud), function(cloud)
    before = spent(made)
    for index in range(8):
        body = os.urandom(100)
        for url in (cloud.node(cid, f"/{index}?echo=1"), cloud.gateway(cid, "?echo=1")):
            answer = made.send(url, body)
            expect_equal((answer.status, answer.body), (200, body), answer.text)
    expect_equal(spent(made) - before, 16 * PRICE, "charged")
    receipt = http1.request(cloud.node_url + answer.receipt).json
    expect_equal((receipt["payer"], receipt["amount"]), ("channel:" + made.channel, str(PRICE)), "receipt")


def test_calls_of_one_window_may_come_at_once_and_in_any_order(cloud):
    made = payer(cloud)
    before = spent(made)
    first = made.next
    made.next += 20
    url = cloud.node(function(cloud), "?echo=1")
    answers = in_threads(20, lambda index: made.send(url, b"x", sequence=first + 19 - index))
    expect_equal([answer.status for answer in answers], [200] * 20, "answers")
    expect_equal(spent(made) - before, 20 * PRICE, "charged")


def test_a_sequence_is_charged_once(cloud):
    made, url = payer(cloud), cloud.node(function(cloud), "?echo=1")
    body = os.urandom(50)
    answer = made.send(url, body)
    before, sequence = spent(made), made.next - 1
    again = made.send(url, body, sequence=sequence)
    expect_equal((again.status, again.body, again.receipt), (200, body, answer.receipt), "a repeat")
    other = made.send(url, b"another request", sequence=sequence)
    expect_equal(other.status, 409, other.text)
    large = cloud.node(function(cloud), "?bytes=100000")
    expect_equal(made.send(large).status, 200, "large")
    expect_equal(made.send(large, sequence=made.next - 1).status, 409, "a repeat that was not kept")
    expect_equal(spent(made) - before, PRICE, "charged")


def test_a_window_that_was_seen_on_its_way_cannot_be_spent(cloud):
    made, url = payer(cloud), cloud.node(function(cloud), "?echo=1")
    before = spent(made)
    expect_equal(made.send(url, b"x", mac_key=os.urandom(32)).status, 401, "a MAC by another key")
    thief = Payer.__new__(Payer)
    thief.__dict__.update(made.__dict__)
    thief.signer = Account.fresh()
    expect_equal(thief.send(url, b"x", **thief.window()).status, 401, "a window by another")
    expect_equal(thief.send(url, b"x", **made.voucher(BUDGET, thief.signer)).status, 401, "a voucher by another")
    mixed = made.window() | {"key": encrypt(os.urandom(32), [cloud.well_known()["rsaKey"]])}
    expect_equal(made.send(url, b"x", **mixed).status, 400, "another key in the window")
    made.send(url, b"x", **made.window())
    expect_equal(spent(made) - before, PRICE, "charged")


def test_no_more_is_served_than_vouchers_cover_and_no_more_is_covered_than_is_reserved(cloud):
    made = Payer(cloud, OTHER, 100 * PRICE)
    url = cloud.node(function(cloud), "?echo=1")
    opening = made.window()
    answer = made.send(url, b"x", **opening)
    expect_equal(answer.status, 402, answer.text)
    expect_equal(says_what_to_do(answer)["opencloud-status"], "request-declined.payment-declined.too-low", "status")
    expect_equal(made.send(url, b"x", **made.voucher(2 * PRICE)).status, 200, "the first")
    expect_equal(made.send(url, b"x").status, 200, "the second")
    expect_equal(made.send(url, b"x").status, 402, "the third")
    answer = made.send(url, b"x", **made.voucher(100 * PRICE + 1))
    expect_equal(answer.status, 402, answer.text)
    expect_equal(int(answer.json["channel"]["accepted"]), 2 * PRICE, "accepted")
    expect_equal(spent(made), 2 * PRICE, "charged")


def test_kill_9_loses_no_accepted_voucher_and_charges_nothing_twice(cloud):
    made, url = payer(cloud), cloud.node(function(cloud), "?echo=1")
    body = os.urandom(40)
    expect_equal(made.send(url, body, **made.voucher(220 * PRICE)).status, 200, "before")
    header, sequence, before = made.header, made.next - 1, spent(made)
    cloud.kill_node()
    known = wait_for("the node to serve again", made._seen, 40)
    expect_equal(int(known["accepted"]), 220 * PRICE, "accepted")
    expect(int(known["spent"]) in (before, before - PRICE), f"spent {known} after {before}")
    answer = http1.request(url, "POST", [("OpenCloud-Payment", header)], body)
    expect(answer.status in (402, 409), f"the old window is used after a restart: {answer.status} {answer.text}")
    answer = made.send(url, body, **made.window())
    expect_equal((answer.status, answer.body), (200, body), answer.text)
    again = made.send(url, b"another", sequence=sequence)
    expect_equal(again.status, 402, "a sequence of a window before")
    expect_equal(spent(made), int(known["spent"]) + PRICE, "charged")


def test_what_was_served_is_claimed_with_the_voucher(cloud):
    made = payer(cloud)
    due, earned = spent(made), cloud.earned()
    before = cloud.channel(made.channel)["claimed"]
    cloud.settle()
    expect_equal(cloud.channel(made.channel)["claimed"], due, "claimed")
    expect_equal(cloud.earned() - earned >= due - before, True, "earned")
    answer = made.send(cloud.node(function(cloud), "?echo=1"), b"after")
    expect_equal(answer.status, 200, answer.text)


def test_malformed_window_payments_are_400(cloud):
    made, url = payer(cloud), cloud.node(function(cloud), "?echo=1")
    made.send(url, b"x")
    good = made.header
    channel = _bytes(bytes.fromhex(made.channel[2:]))
    for bad in (good.split(";channel")[0], good.replace(channel, ":AAAA:"), good + ";voucher=:e30=:",
                good + ";window=:e30=:", good + ";key=:AAAA:", good.replace("sequence=", "sequence=-"),
                good.replace("sequence=", "sequence=1."), good + ";voucher=" + _bytes(json.dumps({"channelId": 1}))):
        answer = http1.request(url, "POST", [("OpenCloud-Payment", bad)], b"x")
        expect_equal(answer.status, 400, bad)


def buyer(cloud):
    """An account of the home with USDC and gas, and no channel."""
    if not hasattr(cloud, "window_buyer"):
        cloud.window_buyer = cloud.good("account", "create", "windows", "--json").json["address"].lower()
        cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)",
                   cloud.window_buyer, 3_000_000)
        cloud.chain.rpc("anvil_setBalance", cloud.window_buyer, hex(10**18))
    return cloud.window_buyer


def pay(cloud, text, *options):
    return cloud.cli("--account", "windows", "call", function(cloud) + "?echo=1", "--provider", "alice.decloud", "--pay",
                     "-d", text, *options, timeout=120)


def lane_of(cloud):
    return next((cloud.home / "data" / "lanes").glob("*/1/lane.json"))


def test_call_pay_opens_a_channel_and_uses_it_again(cloud):
    account = buyer(cloud)
    for text in ("one", "two", "three"):
        done = pay(cloud, text)
        expect_equal((done.code, done.out), (0, text), str(done))
    known = cloud.ledger(account)
    expect_equal((int(known["spent"]), int(known["accepted"])), (3 * PRICE, 32 * PRICE), "spent and signed for")
    lane = json.loads(lane_of(cloud).read_text())
    expect_equal((lane["channel"], lane["spent"], lane["signedFor"]), (known["channel"], str(3 * PRICE), str(32 * PRICE)),
                 "what the client keeps")
    expect_equal(lane_of(cloud).stat().st_mode & 0o777, 0o600, "mode")


def test_call_pay_goes_on_after_the_provider_or_the_client_has_lost_its_state(cloud):
    account = buyer(cloud)
    expect_equal(pay(cloud, "before").code, 0, "before")
    before = cloud.ledger(account)
    cloud.kill_node()
    wait_for("the node to serve again", cloud.node_is_ready, 40)
    done = pay(cloud, "after the provider's")
    expect_equal((done.code, done.out), (0, "after the provider's"), str(done))
    file = lane_of(cloud)
    lane = json.loads(file.read_text())
    # A window that begins later than any that the clock would give.
    ahead = str((int(time.time()) + 86_400) * 1000)
    file.write_text(json.dumps(lane | {"nextSequence": ahead, "firstSequence": "0", "validBefore": "0"}))
    expect_equal(pay(cloud, "ahead").code, 0, "ahead of the clock")
    expect_equal(json.loads(file.read_text())["firstSequence"], ahead, "a window ahead of the clock")
    before = cloud.ledger(account)
    file.write_text(json.dumps(lane | {"signedFor": "0", "spent": "0", "nextSequence": "1", "firstSequence": "0",
                                       "validBefore": "0"}))
    done = pay(cloud, "after the client's")
    expect_equal((done.code, done.out), (0, "after the client's"), str(done))
    after = cloud.ledger(account)
    expect_equal(int(after["spent"]) - int(before["spent"]) in (PRICE, 2 * PRICE), True, "charged")
    expect_equal(after["accepted"], before["accepted"], "signed for")
    expect_equal(json.loads(file.read_text())["signedFor"], before["accepted"], "what the client keeps")


def test_call_pay_does_not_pass_its_limits(cloud):
    buyer(cloud)
    done = pay(cloud, "x", "--max-price", "0.0009")
    expect_equal(done.code, 5, str(done))
    expect("0.001" in done.err and "max-price" in done.err, str(done))
