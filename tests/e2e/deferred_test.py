"""Promises: calls that are paid later, by `decloud daemon`; what both sides say is owed, and what becomes of who does not pay."""

import socket
import subprocess
import threading
import time

import http1
from harness import PROGRAM, expect, expect_equal, wait_for
from opencloud_test import KEYS, Signed, nonces, nonces_of
from policy_test import write
from service_test import added

POLICY = """
[[rule]]
label = "everybody may owe a little"
defer = { currency = "USDC", amount = 2000, total = 1_000_000, time = "2h" }
"""
SUM = ("request", "alice.decloud", "calc.calculate", "1", "2", "+", "--pay", "defer")


def debts(cloud, *words):
    """What the home says that it owes, and what its node says that it is owed by the same id."""
    told = cloud.good("account", "debts", "--json", *words).json
    debt, = told["debts"]
    credit, = (each for each in told["credits"] if each["id"] == debt["id"])
    return debt, credit


def agree(cloud):
    debt, credit = debts(cloud)
    expect("problem" not in debt, str(debt))
    for member in ("currency", "promised", "paid", "owed", "due", "kept", "broken"):
        expect_equal(debt.get(member), credit.get(member), member)
    return debt


def test_what_is_promised_is_owed_on_both_sides_and_paid_once_at_the_threshold(cloud, folder):
    added(cloud, folder, "calc")
    write(cloud, POLICY)
    with cloud.costs(0):
        for count in (1, 2):
            done = cloud.good(*SUM, "--threshold", "0.0003", "-v")
            expect_equal(done.out, "3\n", "answer")
            expect(f"debt      {100 * count};" in done.err, done.err)
    debt = agree(cloud)
    expect_equal((debt["owed"], debt["threshold"], debt["kept"]), ("200", "300", 0), str(debt))
    expect(time.time() + 3000 < debt["due"] < time.time() + 3700, str(debt))
    expect_equal(cloud.good("daemon", "--once", "--json").out, "", "not due, and below the threshold")
    cloud.good(*SUM, "--threshold", "0.0003")
    with cloud.costs(300):
        paid = cloud.good("daemon", "--once", "--json").json
        expect_equal((paid["repaid"], paid["owed"]), ("300", "300"), str(paid))
        expect_equal(cloud.good("daemon", "--once", "--json").out, "", "nothing is owed any more")
    receipt = http1.request(cloud.node_url + paid["receipt"]).json
    expect_equal(receipt["amount"], "300", str(receipt))
    debt = agree(cloud)
    expect_equal((debt["promised"], debt["paid"], debt["owed"], debt["kept"]), ("300", "300", "0", 1), str(debt))
    expect("due" not in debt, str(debt))


class Swallowing:
    """A way to the node on which answers to promises get lost."""

    def __init__(self, cloud):
        self.far, self.swallowed = http1.address_of(cloud.node_url), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.far)
            threading.Thread(target=self.pump, args=(near, far), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near), daemon=True).start()

    def pump(self, source, sink):
        while data := source.recv(65536):
            if b"OpenCloud-Debt" in data:
                self.swallowed.set()
                return
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_a_kill_of_either_side_leaves_both_in_agreement(cloud, folder):
    added(cloud, folder, "calc")
    write(cloud, POLICY)
    cloud.good(*SUM)
    before = int(agree(cloud)["promised"])
    cloud.until_durable()
    cloud.kill_node()
    cloud.good(*SUM)
    expect_equal(int(agree(cloud)["promised"]), before + 100, "the node was killed")
    lossy = Swallowing(cloud)
    words = [PROGRAM, "request", lossy.url, *SUM[2:]]
    environment = cloud.environment | {"DECLOUD_HOME": str(cloud.home)}
    caller = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    expect(lossy.swallowed.wait(30), "no promise came to the node")
    caller.kill()
    expect_equal(caller.communicate()[0], b"", "the client's output")
    offline, credit = debts(cloud, "--offline")
    expect_equal((int(offline["promised"]), int(credit["promised"])), (before + 100, before + 200), "not heard of")
    lossy.listener.close()
    # The debt is with the same provider, whatever way led there.
    cloud.good(*SUM)
    expect_equal(int(agree(cloud)["promised"]), before + 300, "the client was killed")
    expect_equal(cloud.cli("daemon", "--once").code, 0, "not due")


def test_a_broken_promise_ends_deferral_for_its_id(cloud, folder):
    added(cloud, folder, "calc")
    write(cloud, POLICY)
    cloud.good("daemon", "--once")
    cloud.good(*SUM, "--due", "4s")
    # It may break between the two answers that the sides are compared by.
    wait_for("the promise to be broken", lambda: debts(cloud)[1]["broken"] == 1)
    expect_equal(agree(cloud)["broken"], 1, "both sides")
    refused = cloud.cli(*SUM)
    expect_equal(refused.code, 5, str(refused))
    expect("has broken a promise" in refused.err + refused.out, str(refused))
    expect_equal(cloud.cli("daemon", "--once").code, 0, "it is paid all the same")
    debt = agree(cloud)
    expect_equal((debt["owed"], debt["broken"]), ("0", 1), str(debt))
    expect_equal(cloud.cli(*SUM).code, 5, "and still")
    expect_equal(cloud.cli("provider", "forgive", "did:key:z6Mkother").code, 3, "nobody")
    cloud.good("provider", "forgive", debt["id"])
    cloud.good(*SUM)
    expect_equal(agree(cloud)["broken"], 0, "forgiven")


def test_promises_are_refused_by_name_and_never_charged(cloud, folder):
    added(cloud, folder, "calc")
    key, asset = KEYS[0], cloud.well_known()["prices"][0]["currency"]
    target, later = "/oc/v1/calc/calculate?arg=1&arg=2&arg=%2B", int(time.time()) + 600
    known = nonces(cloud)

    def answer(**changes):
        nonlocal known
        fields = {"id": f'"{key.id}"', "amount": 100, "currency": f'"{asset}"', "due": later, "threshold": 300} | changes
        payment = "defer;" + ";".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        answered = Signed(cloud, target, b"x", nonces=known, payment=payment).send()
        known = nonces_of(answered)
        return answered.status, (answered.header("OpenCloud-Status") or "").rpartition(".")[2], answered

    with cloud.costs(0):
        write(cloud, "")
        expect_equal(answer()[:2], (402, "no-defer"), "no rule")
        write(cloud, POLICY)
        expect_equal(answer(amount=99)[:2], (402, "too-low"), "less than the price")
        expect_equal(answer(due=later + 7200)[:2], (402, "no-defer"), "too late")
        expect_equal(answer(due=1)[:2], (402, "no-defer"), "over")
        expect_equal(answer(currency='"BTC"')[:2], (402, "no-defer"), "another currency")
        expect_equal(answer(due=None)[:2], (400, "bad-request"), "no due")
        expect_equal(answer(id=f'"{KEYS[1].id}"')[:2], (401, "invalid-signature"), "somebody else's")
        status, word, told = answer(key='"once"')
        expect_equal((status, word, told.text), (200, "ok", "3\n"), "taken")
        expect(told.header("OpenCloud-Debt").startswith("100;"), told.header("OpenCloud-Debt"))
        status, _, again = answer(key='"once"')
        expect_equal((status, again.text), (200, "3\n"), "the same request again")
        expect(again.header("OpenCloud-Debt").startswith("100;"), "is no second promise")
        total = 100
        while answer()[0] == 200:
            total += 100
        expect_equal(total, 2000, "as much as the policy lets one id owe")
        expect_equal(answer()[1], "no-defer", "beyond it")
        unpaid = Signed(cloud, target, b"x", nonces=known).send()
        known = nonces_of(unpaid)
        expect("deferred" in [each["type"] for each in unpaid.json["acceptable"]], unpaid.text)


def test_bids_are_made_as_asked_and_never_pass_the_budget(cloud, folder):
    added(cloud, folder, "calc")
    write(cloud, "")
    words = ("request", "alice.decloud", "calc.calculate", "1", "2", "+", "-v")
    with cloud.costs(100):
        done = cloud.good(*words, "--bid", "accept-quote", "--max", "0.001")
        expect_equal((done.out, done.err.count("bid  ")), ("3\n", 1), done.err)
    with cloud.costs(100):
        done = cloud.good(*words, "--bid", "defer-first", "--max", "0.0002")
        expect("promise 0.0002 USDC" in done.err and "pay 0.0001 USDC" in done.err, done.err)
    with cloud.costs(0):
        dear = cloud.cli(*words, "--bid", "accept-quote", "--max", "0.00009")
        expect_equal((dear.code, dear.err.count("bid  ")), (5, 1), str(dear))
        low = cloud.cli(*words, "--bid", "raise:50%:0.00009")
        expect_equal(low.code, 5, str(low))
        expect("too-low" in low.out, str(low))
    write(cloud, "[[rule]]\naccept = { below = 30 }\n")
    with cloud.costs(80):
        done = cloud.good(*words, "--bid", "raise:50%:0.0001")
        expect_equal([line.split()[2] for line in done.err.splitlines() if line.startswith("bid ")],
                     ["0.00001", "0.000015", "0.000023", "0.000035", "0.000053", "0.00008"], "at most 30 % below")
    expect_equal(cloud.cli(*words, "--bid", "lowest").code, 64, "no such strategy")


def test_a_request_is_tried_again_while_nobody_is_there_or_the_node_is_busy(cloud):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    expect_equal(cloud.cli("request", f"http://127.0.0.1:{port}", "info.info").code, 6, "nobody is there")
    write(cloud, '[[rule]]\nservice = "info"\nrate-limit = { per-second = 1, burst = 1 }\n')
    told = [cloud.good("request", "alice.decloud", "info.info", "-v").err for _ in range(3)]
    expect(any("try 2 of 3" in each and "HTTP 429" in each for each in told), str(told))
    refused = [cloud.cli("request", "alice.decloud", "info.info", "--tries", "1") for _ in range(3)]
    expect(any(each.code != 0 for each in refused), str(refused))
    write(cloud, "")
