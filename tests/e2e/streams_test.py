"""WebSockets and server-sent events are paid by the interval, a second here, and end with the money for it."""

import re

import http1
from ethereum import Account
from harness import PRICE, expect, expect_equal, wait_for
from policy_test import write as write_policy
from server_test import opened_events
from strangers_test import configure
from tunnel_test import OWNER as TUNNEL_OWNER
from tunnel_test import Tunnelled, fund
from websocket_test import compiled, talk
from windows_test import Payer

PROGRAM = {"runtime": "server", "entry": "websocket_echo", "output": "auto",
           "limits": {"wallMilliseconds": 300_000, "memoryBytes": 128 << 20, "processes": 64,
                      "requestBytes": 10 << 20, "responseBytes": 100 << 20, "tmpBytes": 1 << 20},
           "server": {"concurrency": 16, "idleMilliseconds": 60_000}}
ENOUGH = 20 * PRICE
SETTINGS = {"stream_seconds": 1, "native_seconds": 300}


def streaming(cloud):
    """The node with short intervals, and with time for many of them."""
    price = cloud.well_known()["prices"][0]
    if price["streamIntervalMilliseconds"] != 1000:
        expect_equal(price["streamIntervalMilliseconds"], 60_000, "by default")
        configure(cloud.home, "provider", **SETTINGS)
        cloud.until_durable()
        cloud.kill_node()


def somebody(cloud):
    """A new account, for which anvil signs."""
    account = Account.fresh()
    cloud.chain.rpc("anvil_impersonateAccount", account.address)
    cloud.chain.rpc("anvil_setBalance", account.address, hex(10**18))
    return account


def add_money(cloud, owner, amount):
    reserved = int(cloud.ledger(owner.address)["reserved"])
    cloud.fund(owner, amount)
    wait_for("the node to see it", lambda: int(cloud.ledger(owner.address)["reserved"]) == reserved + amount)


def deployed(cloud, folder, owner, budget, **spec):
    """An echo whose owner has so much left to spend."""
    streaming(cloud)
    # So much is needed to keep the program there.
    more = max(budget, ENOUGH)
    cloud.fund(owner, more)
    cid = cloud.upload(owner, {"websocket_echo": compiled(folder).read_bytes()},
                       manifest=PROGRAM | {"name": f"echo-{owner.address[2:8].lower()}"}, **spec)
    with cloud.costs(more - budget, owner.address):
        for _ in range((more - budget) // PRICE):
            expect_equal(http1.request(cloud.node(cid)).status, 200, "a call")
    return cid


def has_ended(cloud, owner, spent):
    """Exactly this was charged, and nothing is held."""
    wait_for("the stream to hold nothing", lambda: int(cloud.ledger(owner.address)["held"]) == 0)
    expect_equal(cloud.spent(owner.address), spent, "spent")


def receipt_of(cloud, path, interval):
    receipt = http1.request(cloud.node_url + path).json
    expect_equal((receipt["interval"], receipt["amount"], receipt["calls"]), (interval, str(PRICE), 1), str(receipt))
    return receipt


def expect_paid_stream(cloud, answer, intervals):
    """Server-sent events that were ended between two bytes of ours, not of the protocol's."""
    expect_equal((answer.status, answer.complete), (200, True), f"{answer.headers} {answer.text[-200:]}")
    expect_equal(answer.header("OpenCloud-Interval"), f"1;price={PRICE}", "what an interval is and costs")
    expect_equal(answer.header("OpenCloud-Intervals"), str(intervals), "in a trailer")
    receipt_of(cloud, answer.receipt, intervals)


def test_a_websocket_is_paid_by_the_interval_and_closed_when_the_budget_ends(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, 3 * PRICE)
    before = cloud.spent(owner.address)
    seen = talk("stay", cloud.gateway(cid))
    expect_equal((seen["interval"], seen["echo"]), (f"1;price={PRICE}", "hello"), str(seen))
    code, reason = seen["close"]
    found = re.fullmatch("receipt ([0-9a-f]{32}): not enough money left to spend", reason)
    expect(code == 1008 and found, str(seen))
    has_ended(cloud, owner, before + 3 * PRICE)
    receipt_of(cloud, f"/receipts/{found[1]}", 3)
    expect_equal(http1.request(cloud.node(cid)).status, 402, "nothing is left")
    add_money(cloud, owner, 50 * PRICE)
    wait_for("the program to have seen its end", lambda: http1.request(cloud.node(cid, "/open")).text == "0")


def test_server_sent_events_are_paid_by_the_interval_and_end_with_the_budget(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, 2 * PRICE)
    before = cloud.spent(owner.address)
    answer = http1.request(cloud.gateway(cid, "/events"))
    expect_paid_stream(cloud, answer, 2)
    expect(answer.text.startswith("data: tick 1\n\ndata: tick 2\n\n"), answer.text[:100])
    has_ended(cloud, owner, before + 2 * PRICE)
    # Also where the program says nothing: it is told all the same.
    add_money(cloud, owner, 3 * PRICE)
    answer = http1.request(cloud.node(cid, "/silence"))
    expect_paid_stream(cloud, answer, 3)
    expect_equal(answer.body, b"", "nothing was said")
    has_ended(cloud, owner, before + 5 * PRICE)


def test_intervals_count_as_calls_in_what_the_owner_pays_for_others(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, 100 * PRICE, ownerPays={"callers": "any", "perDay": 2})
    with cloud.costs(2 * PRICE, owner.address):
        expect_paid_stream(cloud, http1.request(cloud.node(cid, "/events")), 2)
    expect_equal(http1.request(cloud.node(cid)).status, 402, "another call on that day")


def test_an_authorization_pays_for_as_many_intervals_as_it_is_over(cloud, folder):
    owner, caller = somebody(cloud), somebody(cloud)
    cid = deployed(cloud, folder, owner, ENOUGH, ownerPays={"callers": "none", "perDay": 1})
    cloud.fund(caller, 100 * PRICE)
    for most, intervals in ((2 * PRICE, 2), (2 * PRICE - 1, 1)):
        with cloud.costs(intervals * PRICE, caller.address):
            answer = cloud.pay(caller, cloud.gateway(cid, "/events"), max_price=most)
            expect_paid_stream(cloud, answer, intervals)


def test_a_stream_goes_as_far_as_the_newest_voucher(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, ENOUGH, ownerPays={"callers": "none", "perDay": 1})
    payer = Payer(cloud, somebody(cloud))
    answer = payer.send(cloud.node(cid, "/events"), method="GET", **payer.window(), **payer.voucher(2 * PRICE))
    expect_paid_stream(cloud, answer, 2)
    expect_equal(int(payer.ask()["channel"]["spent"]), 2 * PRICE, "spent")


def opened(url):
    return opened_events(url, timeout=60)[0]


def test_who_leaves_a_stream_pays_for_the_intervals_that_had_begun(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, 100 * PRICE)
    before = cloud.spent(owner.address)
    with opened(cloud.gateway(cid, "/events")):
        charged = wait_for("two intervals", lambda: cloud.spent(owner.address) - before >= 2 * PRICE and
                           cloud.spent(owner.address) - before)
    wait_for("the stream to hold nothing", lambda: int(cloud.ledger(owner.address)["held"]) == 0)
    spent = cloud.spent(owner.address) - before
    expect(spent > charged and spent % PRICE == 0, f"{spent} after {charged}: the one under way is charged, too")
    wait_for("the program to have seen its end", lambda: http1.request(cloud.node(cid, "/open")).text == "0")


def test_after_a_kill_the_elapsed_intervals_are_charged_once_and_the_rest_is_given_back(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, 100 * PRICE)
    before = cloud.spent(owner.address)
    with opened(cloud.node(cid, "/events")):
        elapsed = wait_for("two intervals", lambda: cloud.spent(owner.address) - before >= 2 * PRICE and
                           cloud.spent(owner.address))
        cloud.until_durable()
        cloud.kill_node()
    known = cloud.ledger(owner.address)
    expect_equal(int(known["held"]), 0, "held")
    expect(int(known["spent"]) >= elapsed and int(known["spent"]) % PRICE == 0, f"{known} after {elapsed}")
    cloud.settle()
    wait_for("the chain to have as much", lambda: cloud.on_chain(owner.address)["claimed"] == int(known["spent"]), 60)


def test_what_the_policy_denies_ends_with_the_interval(cloud, folder):
    owner = somebody(cloud)
    cid = deployed(cloud, folder, owner, 1000 * PRICE)
    with opened(cloud.node(cid, "/events")) as connection:
        write_policy(cloud, f'[[rule]]\ncid = "{cid}"\ndeny = true\n')
        while connection.recv(65536):
            pass
    wait_for("the stream to hold nothing", lambda: int(cloud.ledger(owner.address)["held"]) == 0)
    write_policy(cloud, "")
    wait_for("the program to have seen its end", lambda: http1.request(cloud.node(cid, "/open")).text == "0")


def test_a_websocket_through_a_tunnel_is_closed_when_the_budget_ends(cloud, folder):
    tess = Tunnelled(cloud, folder, "tess", [cloud.gateway_url])
    wait_for("tess to be reached", lambda: tess.is_reached(cloud.gateway_url), 60)
    tess.stop()
    configure(tess.home, "provider", **SETTINGS)
    tess.start()
    wait_for("tess to be reached", lambda: tess.is_reached(cloud.gateway_url), 60)
    fund(cloud, tess, budget=ENOUGH)
    cid = tess.as_seen_by(cloud, cloud.gateway_url).upload(
        TUNNEL_OWNER, {"websocket_echo": compiled(folder).read_bytes()}, manifest=PROGRAM | {"name": "tess-echo"})
    url = f"{cloud.gateway_url}/p/{tess.name}/{cid}"
    for _ in range(ENOUGH // PRICE - 2):
        expect_equal(http1.request(url).status, 200, "a call")
    seen = talk("stay", url)
    expect_equal((seen["echo"], seen["close"][0]), ("hello", 1008), str(seen))
    expect("not enough money left to spend" in seen["close"][1], str(seen))
    tess.stop()
