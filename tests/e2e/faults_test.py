"""Faults at random under paid load; after each round answers, history, log and chain agree to the unit.

  DECLOUD_FAULTS_SEED=N DECLOUD_FAULTS_ROUNDS=N tests/run faults     the seed is printed, and chooses every fault
"""

import collections
import contextlib
import copy
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

import http1
import paying_client
from chain_test import Endpoint
from crash_test import settle_quietly
from ethereum import Account, RpcError, development_account
from harness import (PRICE, PROGRAM, USDC, Cloud, Failure, Flags, ends_with_parent, expect, expect_equal, probe,
                     run_program, wait_for)
from providers_test import Bob, environment_of, good, new_home
from state_test import fill, small_disk
from x402_test import TOKEN, balance, required

ROUNDS = int(os.environ.get("DECLOUD_FAULTS_ROUNDS", "4"))
FIRST = int(os.environ.get("DECLOUD_FAULTS_FIRST", "0"))
SEED = int(os.environ.get("DECLOUD_FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
OWNER, CALLER = development_account(3), development_account(4)
BUDGET = 2_000 * USDC
DISK = 256 << 20
# No reorganisation is deeper.
FINALITY = 4
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Unreliable(Endpoint):
    """Leaves some questions unasked, and gives some answers to nobody."""

    lost = 0.0
    chance = random.Random(SEED)

    def answer(self, body):
        if self.chance.random() < self.lost / 2:
            raise ConnectionError("not asked")
        answer = super().answer(body)
        if self.chance.random() < self.lost / 2:
            raise ConnectionError("not answered")
        return answer


class Node(Bob):
    """A provider that can be killed, whose clock can be set and whose chain is unreliable."""

    def __init__(self, cloud, folder):
        self.endpoint, self.clock, self.released = Unreliable(cloud.info["chain"]["rpc"]), folder / "clock", 0
        self.endpoint.server.handle_error = lambda *_: None
        self.set_clock(0)
        super().__init__(cloud, folder)

    def set_clock(self, seconds):
        self.clock.write_text(f"{seconds:+d}\n")

    def configure(self):
        config = self.home / "config" / "config.toml"
        text = re.sub(r"^rpc = .*$", f"rpc = {json.dumps([self.endpoint.url])}", config.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^(x402|failed_attempts) = .*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^finality_depth = .*$", f"finality_depth = {FINALITY}", text, flags=re.MULTILINE)
        config.write_text(text.replace("[provider]\n", '[provider]\nx402 = "settled"\nfailed_attempts = 1000000\n'))

    def launch(self):
        self.configure()
        fake = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        # A sanitizer's allocator does not start with libraries that ask for the time before it is ready.
        fake = {} if "asan" in pathlib.Path(PROGRAM).parent.name else fake
        self.process = subprocess.Popen([PROGRAM, "provider", "run"], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=environment_of(self.home) | fake,
                                        preexec_fn=ends_with_parent)

    def start(self):
        self.launch()
        wait_for("the node to be ready", self.is_ready, 60)
        recovery = http1.unix_request(str(self.home / "state" / "node.sock"), "GET", "/operator/status").json["recovery"]
        self.released += recovery["served_released"] + recovery["held_released"]

    def kill(self):
        self.process.kill()
        self.process.wait()


class View(Cloud):
    """The cloud as seen at this provider."""

    def __init__(self, cloud, node):
        super().__init__(node.home)
        self.info = copy.deepcopy(cloud.info)
        self.info["provider"] |= {"url": node.url, "address": node.account.address}


class Client:
    """A process that pays, and what its journal says."""

    def __init__(self, folder, number, **work):
        self.role, self.journal = work["role"], folder / f"{number}.journal"
        path = folder / f"{number}.json"
        path.write_text(json.dumps(work | {"journal": str(self.journal)}))
        self.journal.touch()
        self.process = subprocess.Popen([sys.executable, paying_client.__file__, str(path)], stdin=subprocess.DEVNULL,
                                        preexec_fn=ends_with_parent)

    def lines(self):
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def answers(self):
        return self.journal.read_text().count('"status"')

    def end(self):
        self.process.terminate()
        self.process.wait(90)


class History:
    """All that one payer's clients sent, and the receipts they know of."""

    def __init__(self):
        self.sent, self.receipts, self.odd = {}, {}, []
        self.statuses = collections.Counter()

    def take(self, lines, expected):
        for line in lines:
            key = line["key"]
            if line.get("sent"):
                self.sent[key] = line
                continue
            self.statuses[line["status"]] += 1
            if line["status"] not in expected:
                self.odd.append(line)
            if line["receipt"]:
                self.note_receipt(key, line["receipt"])

    def note_receipt(self, key, receipt):
        known = self.receipts.setdefault(key, receipt)
        expect_equal(receipt, known, f"receipts of one payment, {key}")


class Faults:
    """The whole: one provider, three ways to pay, a round after another."""

    def __init__(self, cloud, folder):
        self.cloud, self.folder, self.node = cloud, folder, Node(cloud, folder)
        self.view = View(cloud, self.node)
        self.payer, self.clients, self.number = Account.fresh(), [], 0
        self.histories = {role: History() for role in ("owner", "authorization", "x402")}
        self.lost = 0
        self.has_disk = False
        for account in (OWNER, CALLER):
            self.view.fund(account, BUDGET)
        cloud.send(development_account(0).address, TOKEN, "mint(address,uint256)", self.payer.address, BUDGET)
        program = {"program.wasm": probe("wasm").read_bytes()}
        self.cids = {"owner": self.view.upload(OWNER, program, ownerPays={"callers": "any", "perDay": 100_000_000}),
                     "callers": self.view.upload(OWNER, program, ownerPays={"callers": "none", "perDay": 1},
                                                 environment={"FOR": "callers"})}
        self.row = required(http1.request(self.view.node(self.cids["callers"])))["accepts"][0]
        self.owner_home = new_home(cloud, folder / "owner", "default", OWNER)
        self.before = balance(cloud, self.view.provider)
        opened = cloud.chain.head()
        wait_for("the channels to be deeper than any reorganisation", lambda: cloud.chain.head() > opened + 10, 30)

    # Clients.

    def client(self, role):
        self.number += 1
        secret = {"owner": 0, "authorization": CALLER.secret, "x402": self.payer.secret}[role]
        self.clients.append(Client(
            self.folder, self.number, role=role, secret=secret, row=self.row, home=str(self.node.home),
            info=self.view.info, url=self.view.node(self.cids["owner" if role == "owner" else "callers"])))

    def answers(self):
        return sum(client.answers() for client in self.clients)

    def wait_for_answers(self, count):
        goal = self.answers() + count
        wait_for(f"{count} more answers", lambda: self.answers() >= goal, 60, 0.01)

    # Faults: each begins under load and has ended when it returns.

    def kill_node(self, chance):
        self.wait_for_answers(chance.randrange(1, 150))
        self.node.kill()
        self.node.start()

    def kill_settling(self, chance):
        self.wait_for_answers(chance.randrange(1, 50))
        thread = threading.Thread(target=settle_quietly, args=(self.view,))
        thread.start()
        threading.Event().wait(chance.random() * 0.4)
        self.node.kill()
        self.node.start()
        thread.join()

    def kill_client(self, chance):
        self.wait_for_answers(chance.randrange(1, 50))
        client = chance.choice(self.clients)
        client.process.kill()
        client.process.wait()
        self.client(client.role)

    def reorganise(self, chance):
        self.wait_for_answers(chance.randrange(1, 50))
        self.cloud.chain.rpc("anvil_reorg", chance.randrange(1, FINALITY), [])

    def lose_rpc_answers(self, chance):
        self.node.endpoint.lost = chance.choice((0.1, 0.3, 0.6))
        head = self.cloud.chain.head()
        self.wait_for_answers(chance.randrange(1, 100))
        wait_for("blocks", lambda: self.cloud.chain.head() > head + 2, 30)
        self.node.endpoint.lost = 0.0

    def fill_disk(self, chance):
        filler = self.node.home / "data" / "node" / "filler"
        fill(filler)
        self.wait_for_answers(chance.randrange(1, 60))
        killed = chance.random() < 0.5
        if killed:
            self.node.kill()
        filler.unlink()
        if killed:
            self.node.start()

    def jump_clock(self, chance):
        # Further ahead, the ledger would take no payment that is older than what it has seen.
        self.node.set_clock(chance.choice((-9000, -240, -30, 30, 240)))
        self.wait_for_answers(chance.randrange(1, 100))
        if chance.random() < 0.3:
            self.node.kill()
            self.node.start()
        self.node.set_clock(0)

    def jump_chain_time(self, chance):
        self.wait_for_answers(chance.randrange(1, 50))
        # They add up, and payments are valid for minutes.
        self.cloud.chain.rpc("evm_increaseTime", chance.randrange(1, 4))

    def kinds(self):
        found = [self.kill_node, self.kill_settling, self.kill_client, self.reorganise, self.lose_rpc_answers,
                 self.jump_clock, self.jump_chain_time]
        return found + [self.fill_disk] * self.has_disk

    # A round.

    def round(self, number):
        chance = random.Random(f"{SEED}:{number}")
        faults = chance.sample(self.kinds(), chance.choice((1, 2, 2, 3)))
        print(f"  # round {number}: {', '.join(each.__name__ for each in faults)}", flush=True)
        start = time.monotonic()
        for role in ("owner", "authorization", "x402"):
            self.client(role)
        for fault in faults:
            fault(chance)
        self.wait_for_answers(20)
        for client in self.clients:
            client.end()
        wait_for("the node to be ready", self.node.is_ready, 60)
        self.read_journals()
        self.clients.clear()
        self.check()
        print(f"  # {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)

    def read_journals(self):
        new = {role: set() for role in self.histories}
        for client in self.clients:
            lines = client.lines()
            history = self.histories[client.role]
            history.take(lines, {200, 503, 507} if client.role == "owner" else {200, 401, 402, 409, 503, 507})
            new[client.role] |= {line["key"] for line in lines}
            expect(not history.odd, lambda: f"answers that nobody expects: {history.odd[:5]}")
        for role in ("authorization", "x402"):
            for key in new[role]:
                self.ask_again(self.histories[role], key)
        for role, keys in new.items():
            self.read_receipts(self.histories[role], sorted(keys))

    def ask_again(self, history, key):
        """What became of a payment: the same request with it, until the answer is one that stays."""
        sent, last = history.sent[key], []

        def final():
            answer = paying_client.attempt(sent["url"], sent["header"])
            last[:] = [answer and (answer.status, answer.text)]
            stays = answer is not None and (
                answer.status not in paying_client.TRY_AGAIN or "authorisation is too old" in answer.text)
            return answer if stays else None

        try:
            answer = wait_for(f"the fate of {key}", final, 90, 0.1)
        except Failure as problem:
            raise Failure(f"{problem}; now {last}") from None
        # 502 is what was kept for a caller that hung up, which it paid for.
        hung_up = answer.status == 502 and "cancelled" in answer.json["detail"]
        expect(hung_up or answer.status in (200, 401, 402, 409, 503), f"{answer.status} {answer.text}")
        receipt = answer.receipt or (answer.status == 409 and answer.json.get("receipt"))
        if receipt:
            history.note_receipt(key, receipt if receipt.startswith("/") else f"/receipts/{receipt}")

    def read_receipts(self, history, keys):
        """Receipts that are not there belong to calls that a kill left uncharged."""
        with http1.Connection(http1.address_of(self.node.url), 30) as connection:
            for key in keys:
                if key not in history.receipts:
                    continue
                connection.send(http1.request_bytes("GET", history.receipts[key], "node"))
                answer = connection.response()
                if answer.status == 404:
                    self.lost += 1
                    del history.receipts[key]
                else:
                    expect_equal((answer.status, int(answer.json["amount"])), (200, PRICE), "a receipt")

    # What holds after each round.

    def check(self):
        wait_for("holds to end", lambda: all(int(each["held"]) == 0 for each in self.view.status()["channels"]), 60)
        for role, history in self.histories.items():
            known = list(history.receipts.values())
            expect_equal(len(set(known)), len(known), f"receipts of {role}, each for one payment")
        expect(self.lost <= self.node.released, lambda: f"{self.lost} answers uncharged, {self.node.released} reported")
        wait_for("the log to know of every payment", self.log_is_history, 60, 0.3)
        owner, spent = self.histories["owner"], self.view.spent(OWNER.address)
        expect(len(owner.receipts) * PRICE <= spent <= len(owner.sent) * PRICE,
               f"{spent} spent, {len(owner.receipts)} receipts, {len(owner.sent)} sent")
        wait_for("chain = log", self.chain_is_log, 90, 0.3)
        self.check_chain()

    def log_of(self, role):
        if role == "authorization":
            return self.view.spent(CALLER.address)
        account = f"x402:{self.payer.address.lower()}"
        return sum(int(each["spent"]) for each in self.view.status()["channels"] if each["account"] == account)

    def log_is_history(self):
        for role in ("authorization", "x402"):
            log, known = self.log_of(role), len(self.histories[role].receipts) * PRICE
            expect(log <= known, lambda: f"charged more than once: {log} spent, {known} in receipts of {role}")
            if log != known:
                return False
        return True

    def chain_is_log(self):
        settle_quietly(self.view)
        with contextlib.suppress(RpcError):
            paid = BUDGET - balance(self.cloud, self.payer.address)
            expect(paid <= self.log_of("x402"), lambda: f"{paid} paid, {self.log_of('x402')} in the log")
            return paid == self.log_of("x402") and all(
                (lambda chain: chain["claimed"] == self.view.spent(each.address) == chain["calls"] * PRICE)(
                    self.view.on_chain(each.address)) for each in (OWNER, CALLER))

    def check_chain(self):
        channels = [self.view.on_chain(each.address) for each in (OWNER, CALLER)]
        for each in channels:
            expect(each["claimed"] <= each["reserved"] == BUDGET, f"overspent: {each}")
        expect_equal(self.view.earned(), sum(each["claimed"] for each in channels), "earned")
        expect_equal(balance(self.cloud, self.view.provider) - self.before, self.log_of("x402"), "the provider's USDC")
        held = self.cloud.chain.view(self.view.escrow, "held()")[0]
        expect_equal(balance(self.cloud, self.view.escrow), held, "the escrow's USDC")
        shown = good(self.owner_home, "escrow", "status", "--json").json
        mine = next(each for each in shown["channels"] if each["provider"].lower() == self.view.provider)
        expect_equal((int(mine["reserved"]), int(mine["claimed"])), (BUDGET, channels[0]["claimed"]), "escrow status")


def test_faults_at_random_under_paid_load(folder):
    print(f"  # DECLOUD_FAULTS_SEED={SEED} DECLOUD_FAULTS_ROUNDS={ROUNDS}", flush=True)
    with Cloud(folder / "home", Flags(x402=True)) as cloud, contextlib.ExitStack() as stack:
        faults = Faults(cloud, folder)
        stack.callback(lambda: faults.node.process.kill())
        stack.callback(lambda: [client.process.kill() for client in faults.clients])
        faults.node.stop()
        with contextlib.suppress(unittest.SkipTest):
            stack.enter_context(small_disk(faults.node.home / "data" / "node", DISK))
            faults.has_disk = True
        faults.node.start()
        for number in range(FIRST, FIRST + ROUNDS):
            faults.round(number)
        for role, each in faults.histories.items():
            print(f"  # {role}: {len(each.sent)} sent, {len(each.receipts)} receipts, answers {dict(each.statuses)}")
        print(f"  # {faults.lost} answered and not charged, {faults.node.released} released by recovery")
