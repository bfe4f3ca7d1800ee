"""Settlements that are dropped, stuck, rolled back or made by somebody else: chain = log afterwards."""

import os
import signal
import threading

import http1
from ethereum import development_account, word, keccak
from harness import PRICE, USDC, Cloud, Failure, expect, expect_equal, is_alive, probe, wait_for
from crash_test import settle_until_equal, settle_quietly

OWNER = development_account(3)


def function(cloud):
    if not hasattr(cloud, "settled_cid"):
        cloud.fund(OWNER, 20 * USDC)
        cloud.settled_cid = cloud.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
    return cloud.settled_cid


def calls(cloud, count):
    for _ in range(count):
        expect_equal(http1.request(cloud.node(function(cloud))).status, 200, "a call")


def pending(cloud):
    """Transactions to the escrow that wait in the pool: nonce -> transaction."""
    pool = cloud.chain.rpc("txpool_content")
    return {int(each["nonce"], 16): each for kind in ("pending", "queued") for sender in pool[kind].values()
            for each in sender.values() if (each["to"] or "").lower() == cloud.escrow}


def settling(cloud):
    thread = threading.Thread(target=settle_quietly, args=(cloud,))
    thread.start()
    return thread


def stop_mining(cloud):
    cloud.chain.rpc("evm_setAutomine", False)
    cloud.chain.rpc("evm_setIntervalMining", 0)


def start_mining(cloud):
    cloud.chain.rpc("evm_setIntervalMining", 1)


def test_a_dropped_settlement_is_sent_again(cloud):
    calls(cloud, 3)
    stop_mining(cloud)
    try:
        thread = settling(cloud)
        waiting = wait_for("the settlement in the pool", lambda: pending(cloud), 20)
        for each in waiting.values():
            cloud.chain.rpc("anvil_dropTransaction", each["hash"])
    finally:
        start_mining(cloud)
    settle_until_equal(cloud)
    thread.join()


def price_of(transaction):
    return int(transaction.get("maxFeePerGas") or transaction["gasPrice"], 16)


def test_a_stuck_settlement_is_replaced_on_its_nonce(cloud):
    settle_until_equal(cloud)
    calls(cloud, 2)
    stop_mining(cloud)
    try:
        thread = settling(cloud)
        waiting = wait_for("the settlement in the pool", lambda: pending(cloud), 20)
        nonce, first = next(iter(waiting.items()))
        replaced = wait_for("a replacement", lambda: replacement(cloud, nonce, first), 90, 0.5)
        expect(price_of(replaced) * 10 >= price_of(first) * 11,
               f"{price_of(replaced)} is not 10 % more than {price_of(first)}")
    finally:
        start_mining(cloud)
    settle_until_equal(cloud)
    thread.join()


def replacement(cloud, nonce, first):
    """The pool's transaction on the nonce if it is another; blocks come, but too dear for it."""
    now = pending(cloud).get(nonce)
    if now is None:
        raise Failure("the settlement left the pool")
    if now["hash"] != first["hash"]:
        return now
    cloud.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(price_of(now) * 4))
    cloud.chain.rpc("evm_mine")
    return None


def test_a_settlement_that_a_reorg_undoes_is_made_again(home):
    with Cloud(home) as cloud:
        function(cloud)
        opened = cloud.chain.head()
        wait_for("the channel to be deeper than any reorg", lambda: cloud.chain.head() > opened + 10, 30)
        calls(cloud, 4)
        cloud.settle()
        wait_for("the claim", lambda: cloud.on_chain(OWNER.address)["claimed"] == 4 * PRICE)
        for depth in (1, 3, 5):
            cloud.chain.rpc("anvil_reorg", depth, [])
            calls(cloud, 1)
        wait_for("the node to follow", cloud.node_is_ready, 30)
        settle_until_equal(cloud)
        expect_equal(cloud.spent(OWNER.address), 7 * PRICE, "log")


def consume_as(cloud, sender, channel, count, amount):
    rows = b"".join(map(word, (0x20, 1, channel, count, amount)))
    data = "0x" + (keccak(b"consumeBatch((bytes32,uint64,uint128)[])")[:4] + rows).hex()
    transaction = cloud.chain.rpc("eth_sendTransaction", {"from": sender, "to": cloud.escrow, "data": data,
                                                          "gas": hex(500_000)})
    wait_for("the row", lambda: cloud.chain.receipt(transaction))


def test_a_row_of_another_node_on_the_account_stops_the_channel(cloud):
    payer = development_account(4)
    cloud.fund(payer, 20 * PRICE)
    cid = cloud.upload(payer, {"program.wasm": probe("wasm").read_bytes()})
    expect_equal(http1.request(cloud.node(cid)).status, 200, "before")
    cloud.chain.rpc("anvil_impersonateAccount", cloud.provider)
    consume_as(cloud, cloud.provider, cloud.on_chain(payer.address)["id"], 9, 9 * PRICE)
    wait_for("the operator to see the reason", lambda: cloud.ledger(payer.address).get("stopped"), 30)
    refused = http1.request(cloud.node(cid))
    expect(refused.status == 402 and "never sent" in refused.json["detail"], refused.text)
    calls(cloud, 1)
    expect_equal(cloud.on_chain(payer.address)["claimed"], 9 * PRICE, "the chain")


def test_a_node_that_is_told_to_stop_while_it_settles_stops(cloud):
    calls(cloud, 1)
    settle_until_equal(cloud)
    calls(cloud, 2)
    stop_mining(cloud)
    chain, node = cloud.part("chain"), cloud.part("node")
    try:
        thread = settling(cloud)
        wait_for("the settlement in the pool", lambda: pending(cloud), 20)
        os.kill(chain, signal.SIGSTOP)
        os.kill(node, signal.SIGTERM)
        wait_for("the node to end", lambda: not is_alive(node), 20)
    finally:
        os.kill(chain, signal.SIGCONT)
        start_mining(cloud)
    thread.join()
    wait_for("the node to be ready again", cloud.node_is_ready, 40)
    settle_until_equal(cloud)


def test_thresholds_settle_without_being_asked(cloud):
    settle_until_equal(cloud)
    calls(cloud, 1)
    wait_for("the settlement by time", lambda: cloud.on_chain(OWNER.address)["claimed"] == cloud.spent(OWNER.address),
             90, 0.5)
