"""kill -9 under load, and every piece of the cloud gone in turn: afterwards answers, log and chain agree."""

import collections
import os
import random
import signal
import threading

import http1
from ethereum import development_account
from harness import PRICE, USDC, Failure, expect, expect_equal, probe, wait_for

KILLS = 20
CLIENTS = 6
OWNER = development_account(3)


class Load:
    """Clients that call as fast as they are answered, and remember every complete answer."""

    def __init__(self, url):
        self.url, self.stopped = url, threading.Event()
        self.sent = collections.Counter()
        self.receipts, self.odd = [], []
        self.threads = [threading.Thread(target=self.run, args=(index,)) for index in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def run(self, index):
        while not self.stopped.is_set():
            try:
                self.connection(index)
            except OSError:
                self.stopped.wait(0.02)

    def connection(self, index):
        request = http1.request_bytes("GET", http1.target_of(self.url), self.url.split("/")[2])
        with http1.Connection(http1.address_of(self.url), 10) as connection:
            while not self.stopped.is_set():
                self.sent[index] += 1
                connection.send(request)
                answer = connection.response()
                if answer is None or not answer.complete:
                    return
                if answer.status == 200:
                    self.receipts.append(answer.receipt)
                elif answer.status != 503:
                    self.odd.append((answer.status, answer.text))


def loaded_function(cloud):
    if not hasattr(cloud, "loaded_cid"):
        cloud.fund(OWNER, 90 * USDC)
        cloud.loaded_cid = cloud.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()},
                                        ownerPays={"callers": "any", "perDay": 10_000_000})
        expect_equal(http1.request(cloud.node(cloud.loaded_cid)).status, 200, "before the load")
    return cloud.loaded_cid


def settle_until_equal(cloud, payer=OWNER.address):
    def equal():
        try:
            cloud.settle()
        except (Failure, OSError):
            return False
        chain = cloud.on_chain(payer)
        return chain["claimed"] == cloud.spent(payer) and chain["calls"] == chain["claimed"] // PRICE

    wait_for("chain = log", equal, 60, 0.3)


def check_money(cloud, payer=OWNER.address):
    chain = cloud.on_chain(payer)
    expect(chain["claimed"] <= chain["reserved"], f"overspent: {chain}")
    expect_equal(int(cloud.ledger(payer)["held"]), 0, "held")


def test_kill_9_of_the_node_twenty_times_under_load(cloud):
    url = cloud.node(loaded_function(cloud))
    before, uncharged = cloud.spent(OWNER.address), 0
    pause = random.Random(7)
    with Load(url) as load:
        for _ in range(KILLS):
            count = len(load.receipts)
            wait_for("answers", lambda: len(load.receipts) > count + pause.randrange(1, 200), 30, 0.001)
            cloud.kill_node()
            recovery = cloud.status()["recovery"]
            uncharged += recovery["served_released"] + recovery["held_released"]
    wait_for("holds to end", lambda: int(cloud.ledger(OWNER.address)["held"]) == 0)
    expect(not load.odd, f"answers that nobody expects: {load.odd[:5]}")
    charged = (cloud.spent(OWNER.address) - before) // PRICE
    answered, sent = len(load.receipts), sum(load.sent.values())
    expect_equal(len(set(load.receipts)), answered, "receipts, each for one answer")
    missing = [each for each in load.receipts if http1.request(cloud.node_url + each).status != 200]
    print(f"  # {sent} sent, {answered} answered, {charged} charged, {len(missing)} answered and not charged, "
          f"{uncharged} released by recovery")
    expect(answered > 100, f"only {answered} answers")
    expect(len(missing) <= uncharged, f"{len(missing)} answers uncharged, recovery reported {uncharged}")
    expect(answered - len(missing) <= charged <= sent, f"{charged} charged of {answered} answered and {sent} sent")
    settle_until_equal(cloud)
    check_money(cloud)


def test_kill_9_while_settling_pays_once(cloud):
    url = cloud.node(loaded_function(cloud))
    pause = random.Random(3)
    for _ in range(5):
        for _ in range(3):
            expect_equal(http1.request(url).status, 200, "a call")
        settling = threading.Thread(target=settle_quietly, args=(cloud,))
        settling.start()
        threading.Event().wait(pause.random() * 0.3)
        cloud.kill_node()
        settling.join()
    earned = cloud.earned() - cloud.on_chain(OWNER.address)["claimed"]
    settle_until_equal(cloud)
    expect_equal(cloud.earned() - cloud.on_chain(OWNER.address)["claimed"], earned, "earned from others")
    check_money(cloud)


def settle_quietly(cloud):
    try:
        cloud.settle()
    except (Failure, OSError, ValueError):
        pass


def test_kill_9_of_the_gateway_changes_no_money(cloud):
    cid = loaded_function(cloud)
    expect_equal(http1.request(cloud.gateway(cid)).status, 200, "before")
    cloud.kill("gateway")
    with cloud.costs(PRICE, OWNER.address):
        wait_for("the gateway", lambda: answers(cloud.gateway(cid)), 30)


def answers(url):
    try:
        return http1.request(url).status == 200
    except OSError:
        return False


def test_a_provider_that_is_down_is_502_at_the_gateway(cloud):
    url, answer = cloud.gateway(loaded_function(cloud)), None
    node = cloud.part("node")
    os.kill(node, signal.SIGKILL)
    answer = http1.request(url)
    expect(answer.status == 502, f"{answer.status} {answer.text}")
    expect("alice" in answer.json["detail"], answer.text)
    wait_for("the node to be ready again", cloud.node_is_ready, 90)


def readiness(cloud):
    return http1.request(cloud.node_url + "/readyz", timeout=10)


def test_known_channels_go_on_while_the_chain_is_away(cloud):
    url = cloud.node(loaded_function(cloud))
    chain = cloud.part("chain")
    os.kill(chain, signal.SIGSTOP)
    try:
        gone = wait_for("readyz to say so", lambda: (lambda each: each.status == 503 and each)(readiness(cloud)), 60)
        expect(len(gone.json["reason"]) > 10, gone.text)
        before = int(cloud.ledger(OWNER.address)["spent"])
        for _ in range(5):
            expect_equal(http1.request(url).status, 200, "a call without the chain")
        wait_for("the charge", lambda: int(cloud.ledger(OWNER.address)["spent"]) == before + 5 * PRICE, 10)
    finally:
        os.kill(chain, signal.SIGCONT)
    wait_for("the node to be ready again", cloud.node_is_ready, 60)
    settle_until_equal(cloud)


def test_kill_9_of_the_chain_keeps_its_state(cloud):
    url = cloud.node(loaded_function(cloud))
    settle_until_equal(cloud)
    claimed, head = cloud.on_chain(OWNER.address), cloud.chain.head()
    wait_for("the state to be written", lambda: cloud.chain.head() >= head + 3, 20)
    cloud.kill("chain")
    wait_for("the chain", lambda: chain_answers(cloud), 30)
    expect_equal(cloud.on_chain(OWNER.address), claimed, "the channel")
    wait_for("the node to be ready again", cloud.node_is_ready, 60)
    with cloud.costs(PRICE, OWNER.address):
        expect_equal(http1.request(url).status, 200, "a call")
    settle_until_equal(cloud)


def chain_answers(cloud):
    try:
        return cloud.chain.head() > 0
    except OSError:
        return False
