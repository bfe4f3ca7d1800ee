"""x402 payments with the development chain as x402's clients know it; unmodified clients are in tests/interop/x402."""

import base64
import json
import os
import threading
import time

import http1
from ethereum import Account, development_account, encode_words, keccak
from harness import PRICE, USDC, Cloud, Flags, expect, expect_equal, probe, wait_for

TOKEN = "0x036cbd53842c5426634e7929541ec2318f3dcf7e"
TRANSFER = (b"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
            b"bytes32 nonce)")
GOAL = 2048


def shop(folder):
    """A cloud that takes x402 payments, and a function whose owner pays for nobody."""
    cloud = Cloud(folder / "home", Flags(x402=True)).start()
    cloud.x402_cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                                  ownerPays={"callers": "none", "perDay": 1})
    return cloud


def funded(cloud):
    payer = Account.fresh()
    cloud.send(development_account(0).address, TOKEN, "mint(address,uint256)", payer.address, USDC)
    return payer


def balance(cloud, address):
    return cloud.chain.view(TOKEN, "balanceOf(address)", address)[0]


def required(answer):
    """The v2 form of a 402."""
    expect_equal(answer.status, 402, answer.text)
    field = answer.header("PAYMENT-REQUIRED")
    expect(len(field) < GOAL, f"PAYMENT-REQUIRED has {len(field)} bytes")
    return json.loads(base64.b64decode(field, validate=True))


def sign(cloud, payer, row, seconds=300):
    """A v2 payment header for a row of `accepts`."""
    fields = {"from": payer.address, "to": row["payTo"], "value": int(row["amount"]), "validAfter": 0,
              "validBefore": int(time.time()) + seconds, "nonce": "0x" + os.urandom(32).hex()}
    separator = keccak(encode_words([
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak(row["extra"]["name"].encode()), keccak(row["extra"]["version"].encode()), cloud.chain_id,
        row["asset"]]))
    struct = keccak(encode_words([keccak(TRANSFER), *fields.values()]))
    authorization = {key: str(value) if isinstance(value, int) else value for key, value in fields.items()}
    payload = {"signature": payer.sign(keccak(b"\x19\x01" + separator + struct)), "authorization": authorization}
    message = {"x402Version": 2, "accepted": row, "payload": payload}
    return base64.b64encode(json.dumps(message).encode()).decode()


def pay(url, header, timeout=90):
    return http1.request(url, "GET", [("PAYMENT-SIGNATURE", header)], timeout=timeout)


def says_how_to_pay_in_both_versions(cloud):
    long_query = "?" + "q" * 4000
    for url in (cloud.node(cloud.x402_cid), cloud.gateway(cloud.x402_cid), cloud.node(cloud.x402_cid, long_query)):
        answer = http1.request(url)
        row = required(answer)["accepts"][0]
        expect_equal((row["scheme"], row["network"], row["amount"], row["asset"], row["payTo"], row["extra"]),
                     ("exact", "eip155:84532", str(PRICE), TOKEN, cloud.provider, {"name": "USDC", "version": "2"}),
                     "the v2 row")
        body = answer.json
        old = body["accepts"][0]
        expect_equal((body["x402Version"], old["network"], old["maxAmountRequired"], old["resource"]),
                     (1, "base-sepolia", str(PRICE), url), "the v1 row")
        expect("outputSchema" not in old and old["description"] and old["mimeType"], f"{old}")
        expect_equal({each["method"] for each in body["acceptable"]}, {"authorization", "window", "x402"}, "acceptable")


def one_payment_for_many_requests_is_charged_once(cloud):
    payer, url = funded(cloud), cloud.gateway(cloud.x402_cid, "?bytes=5")
    before = balance(cloud, cloud.provider)
    header = sign(cloud, payer, required(http1.request(url))["accepts"][0])
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(pay(url, header))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect({each.status for each in answers} <= {200, 503}, f"{[(each.status, each.text) for each in answers]}")
    expect_equal([each.text for each in answers if each.status == 200][:1], ["xxxxx"], "an answer")
    again = pay(url, header)
    expect_equal((again.status, again.text), (200, "xxxxx"), "a repeat")
    told = json.loads(base64.b64decode(again.header("PAYMENT-RESPONSE")))
    expect_equal((told["success"], told["payer"], told["network"]), (True, payer.address.lower(), "eip155:84532"), "told")
    expect_equal(int(cloud.chain.receipt(told["transaction"])["status"], 16), 1, "the transaction")
    expect_equal(balance(cloud, cloud.provider) - before, PRICE, "the provider's USDC")


def a_kill_after_the_broadcast_loses_no_payment(cloud):
    payer, url = funded(cloud), cloud.node(cloud.x402_cid, "?bytes=7")
    before = balance(cloud, cloud.provider)
    header = sign(cloud, payer, required(http1.request(url))["accepts"][0])
    cloud.chain.rpc("evm_setIntervalMining", 0)

    def lost():
        try:
            pay(url, header)
        except OSError:
            pass

    thread = threading.Thread(target=lost)
    thread.start()
    wait_for("the transfer in the pool", lambda: int(cloud.chain.rpc("txpool_status")["pending"], 16) > 0)
    cloud.kill_node()
    thread.join()
    waiting = pay(url, header)
    expect_equal(waiting.status, 503, waiting.text)
    cloud.chain.rpc("evm_setIntervalMining", 1)
    answer = wait_for("the answer that was paid for", lambda: (lambda each: each.status == 200 and each)(pay(url, header)))
    expect_equal(answer.text, "xxxxxxx", "answer")
    again = pay(url, header)
    expect_equal((again.status, again.receipt), (200, answer.receipt), "a repeat")
    expect_equal(balance(cloud, cloud.provider) - before, PRICE, "the provider's USDC")
    expect_equal(balance(cloud, payer.address), USDC - PRICE, "the payer's USDC")
    account = next(each for each in cloud.status()["channels"] if each["account"] == f"x402:{payer.address.lower()}")
    expect_equal((int(account["spent"]), int(account["held"])), (PRICE, 0), "the ledger")


def test_a_cloud_that_takes_x402(folder):
    cloud = shop(folder)
    try:
        says_how_to_pay_in_both_versions(cloud)
        one_payment_for_many_requests_is_charged_once(cloud)
        a_kill_after_the_broadcast_loses_no_payment(cloud)
    finally:
        cloud.stop()
