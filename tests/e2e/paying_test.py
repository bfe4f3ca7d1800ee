"""What a payer's own programs pay: `decloud call --pay` to any x402 server, limits, and the record of it. Servers of others
are in tests/interop/x402-servers."""

import json

import http1
from ethereum import development_account
from harness import PRICE, USDC, Cloud, Flags, expect, expect_equal, probe

TOKEN = "0x036cbd53842c5426634e7929541ec2318f3dcf7e"


def shop(folder):
    """A cloud that takes x402 payments, a function whose owner pays for nobody, and an account with USDC of its own."""
    cloud = Cloud(folder / "home", Flags(x402=True)).start()
    cloud.cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                             ownerPays={"callers": "none", "perDay": 1})
    made = json.loads(cloud.good("account", "create", "buyer", "--json").out)
    cloud.buyer = made["address"].lower()
    cloud.send(development_account(0).address, TOKEN, "mint(address,uint256)", cloud.buyer, USDC)
    return cloud


def balance(cloud, address):
    return cloud.chain.view(TOKEN, "balanceOf(address)", address)[0]


def call(cloud, url, *options):
    return cloud.cli("--account", "buyer", "call", "--pay", url, *options)


def pays_a_url_once(cloud):
    before = balance(cloud, cloud.buyer)
    done = call(cloud, cloud.gateway(cloud.cid, "?bytes=5"))
    expect_equal((done.code, done.out), (0, "xxxxx"), str(done))
    expect_equal(before - balance(cloud, cloud.buyer), PRICE, "paid")
    body = "y" * 300_000
    done = cloud.cli("--account", "buyer", "call", "--pay", cloud.node(cloud.cid, "?echo"), "--data-binary", "@-",
                     input=body.encode())
    expect_equal(done.code, 0, str(done)[:500])
    expect_equal(before - balance(cloud, cloud.buyer), 2 * PRICE, "paid with a body")


def stays_within_limits(cloud):
    before = balance(cloud, cloud.buyer)
    url = cloud.node(cloud.cid)
    for flag, value in (("--max-price", "0.0009"), ("--max-per-provider", "0.002"), ("--max-per-day", "0.002")):
        done = call(cloud, url, flag, value)
        expect_equal(done.code, 5, str(done))
        expect(f"help: {flag} " in done.err, str(done))
    expect_equal(balance(cloud, cloud.buyer), before, "the payer's USDC")
    unpaid = cloud.cli("call", url)
    expect_equal(unpaid.code, 5, str(unpaid))


def a_refused_payment_is_not_sent_again(cloud):
    """The buyer has nothing left: the node refuses the transfer, and its second 402 is shown."""
    poor = json.loads(cloud.good("account", "create", "poor", "--json").out)["address"].lower()
    done = cloud.cli("--account", "poor", "call", "--pay", cloud.node(cloud.cid))
    expect_equal(done.code, 5, str(done))
    expect("was sent and refused" in done.err, str(done))
    expect_equal(balance(cloud, poor), 0, "the payer's USDC")


def test_a_payer_of_x402(folder):
    cloud = shop(folder)
    try:
        pays_a_url_once(cloud)
        stays_within_limits(cloud)
        a_refused_payment_is_not_sent_again(cloud)
        expect_equal(http1.request(cloud.node(cloud.cid)).status, 402, "nobody else pays")
    finally:
        cloud.stop()
