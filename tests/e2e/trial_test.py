"""Calls that a provider gives away: granted on the chain, or by rule; neither side gets money for them."""

import http1
from ethereum import Account
from harness import PRICE, expect, expect_equal, in_threads, probe, says_what_to_do, wait_for

FUNCTION = {}


def url(cloud):
    """A function whose owner pays for nobody."""
    if cloud not in FUNCTION:
        FUNCTION[cloud] = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                                       ownerPays={"callers": "none", "perDay": 1000})
    return cloud.node(FUNCTION[cloud], "?echo=1")


def grant(cloud, user, calls, *more):
    granted = cloud.good("provider", "trial", "grant", user.address, "--calls", calls, *more, "--json").json
    wait_for("the node to follow", lambda: trial(cloud, user, "reserved") == granted["granted"], 20)
    return granted


def trial(cloud, user, member, kind="trial"):
    found = [each for each in cloud.status()["channels"]
             if each["account"] == f"{kind}:{cloud.provider}:{user.address}"]
    return int(found[0][member]) if found else 0


def statuses(cloud, user, count):
    return [cloud.pay(user, url(cloud), body=b"x").status for _ in range(count)]


def on_chain(cloud, user):
    """granted, used, expires"""
    return cloud.chain.view(cloud.escrow, "trialOf(address,address)", cloud.provider, user.address)


def listed(cloud, user):
    rows = cloud.good("provider", "trial", "list", "--json").json["trials"]
    return next(each for each in rows if each["user"] == user.address)


def test_granted_calls_are_free_counted_on_chain_and_move_no_money(cloud):
    user = Account.fresh()
    refused = cloud.pay(user, url(cloud), body=b"x")
    expect_equal(refused.status, 402, "before")
    granted = grant(cloud, user, 3)
    expect_equal((granted["granted"], granted["used"], granted["usable"]), (3, 0, True), "granted")
    cloud.settle()
    earned, free = cloud.earned(), cloud.free()
    with cloud.costs(0):
        expect_equal(statuses(cloud, user, 4), [200, 200, 200, 402], "three calls")
    expect_equal((listed(cloud, user)["used"], on_chain(cloud, user)[1]), (3, 0), "used, before they are settled")
    cloud.settle()
    expect_equal(on_chain(cloud, user)[:2], [3, 3], "granted and used on chain")
    expect_equal((cloud.earned(), cloud.free(), cloud.free(user.address)), (earned, free, 0), "money")
    row = listed(cloud, user)
    expect_equal((row["used"], row["left"], row["usable"]), (3, 0, False), "listed")
    grant(cloud, user, 2)
    expect_equal(statuses(cloud, user, 3), [200, 200, 402], "two more")


def test_many_at_once_get_exactly_what_was_granted(cloud):
    user = Account.fresh()
    grant(cloud, user, 5)
    url(cloud)
    answers = in_threads(12, lambda _: cloud.pay(user, url(cloud), body=b"x").status)
    expect_equal((answers.count(200), answers.count(402)), (5, 7), "answers")


def test_a_trial_ends_with_its_time(cloud):
    user = Account.fresh()
    url(cloud)
    granted = grant(cloud, user, 100_000, "--expires", "6s")
    expect_equal(cloud.pay(user, url(cloud), body=b"x").status, 200, "in time")
    wait_for("the trial to end", lambda: cloud.pay(user, url(cloud), body=b"x").status == 402, 30)
    at = int(cloud.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    expect(at >= granted["expires"] - 2, f"it ended at {at}, long before {granted['expires']}")
    row = listed(cloud, user)
    expect_equal((row["usable"], row["left"] > 0), (False, True), str(row))
    used = trial(cloud, user, "calls")
    cloud.settle()
    expect_equal(on_chain(cloud, user)[1], used, "what was served in time is recorded after it")


def test_a_revoked_trial_serves_no_more(cloud):
    user = Account.fresh()
    grant(cloud, user, 5)
    expect_equal(statuses(cloud, user, 1), [200], "before")
    row = cloud.good("provider", "trial", "revoke", user.address, "--json").json
    expect_equal((row["usable"], row["expires"]), (False, 0), str(row))
    wait_for("the node to refuse", lambda: cloud.pay(user, url(cloud), body=b"x").status == 402, 20)
    expect("revoked" in cloud.good("provider", "trial", "list").out, "the list says so")
    done = cloud.cli("provider", "trial", "revoke", Account.fresh().address)
    expect_equal(done.code, 3, str(done))


def test_what_cannot_be_granted_is_refused_with_the_reason(cloud):
    user = Account.fresh().address
    for arguments in ((user, "--calls", "0"), (user, "--calls", "1", "--expires", "2001-01-01"),
                      (user, "--calls", "1", "--expires", "soon"), ("nobody", "--calls", "1"), (user,)):
        done = cloud.cli("provider", "trial", "grant", *arguments)
        expect_equal(done.code, 64, str(done))


def with_rules(cloud, text):
    """The node with another `[trials]`."""
    file = cloud.home / "config" / "config.toml"
    file.write_text(file.read_text().split("[trials]")[0] + f"[trials]\n{text}\n")
    cloud.until_durable()
    cloud.kill_node()


def test_rules_give_listed_keys_their_calls_once_and_nobody_else_any(cloud):
    friend, stranger = Account.fresh(), Account.fresh()
    url(cloud)
    expect("trials" not in cloud.well_known(), "off by default")
    with_rules(cloud, f'automatic = "listed"\ncalls_per_identity = 2\ncalls_per_day = 3\nlisted = ["{friend.address}"]')
    expect_equal(cloud.well_known()["trials"], {"callsPerIdentity": 2, "callsPerDay": 3, "for": "listed"}, "shown")
    expect_equal(statuses(cloud, friend, 1), [200], "the first")
    cloud.until_durable()
    cloud.kill_node()
    expect_equal(statuses(cloud, friend, 2), [200, 402], "after kill -9 of the node")
    says_what_to_do(cloud.pay(stranger, url(cloud), body=b"x"))
    expect_equal(statuses(cloud, stranger, 1), [402], "a key that is not listed")
    answer = cloud.good("provider", "trial", "list", "--json").json
    expect({"user": friend.address, "used": 2} in answer["given"], str(answer))
    expect_equal(answer["automatic"]["used_today"], 2, "today")


def test_new_keys_do_not_pass_the_limit_of_the_day(cloud):
    url(cloud)
    used = cloud.status()["trials"]["used_today"]
    with_rules(cloud, f'automatic = "anyone"\ncalls_per_identity = 2\ncalls_per_day = {used + 5}')
    answers = [status for _ in range(6) for status in statuses(cloud, Account.fresh(), 2)]
    expect_equal(answers, [200] * 5 + [402] * 7, "six new keys")
    payer = cloud.user()
    with cloud.costs(PRICE):
        expect_equal(http1.request(cloud.node(cloud.cid("hello"))).status, 200, "who pays is served")
    expect_equal(trial(cloud, payer, "calls", "gift"), 0, "the owner's calls beyond the day's limit")
    with_rules(cloud, 'automatic = "off"')
    expect_equal(statuses(cloud, Account.fresh(), 1), [402], "off again")
