"""What each side can lose to the other is bounded by settings, and shown where people look."""

import re

import http1
from ethereum import development_account
from harness import PRICE, USDC, expect, expect_equal, probe, says_what_to_do, wait_for


def shown(cloud):
    return cloud.good("escrow", "exposure", "--json").json


def metrics(cloud):
    text = http1.request(cloud.console_url + "/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(decloud_exposure\S+) (\S+)$", text, re.MULTILINE)}


def test_a_payer_sees_what_it_could_lose_to_whom(cloud):
    cloud.settle()
    before = shown(cloud)["paying"]
    expect_equal(before["account"], cloud.account, "account")
    left = int(cloud.ledger()["reserved"]) - cloud.spent()
    expect_equal(int(before["atRisk"]), left, "reserved and not spent")
    with cloud.costs(2 * PRICE):
        for _ in range(2):
            expect_equal(http1.request(cloud.node(cloud.cid("hello"))).status, 200, "a call")
    after = shown(cloud)["paying"]
    expect_equal(int(after["atRisk"]), left - 2 * PRICE, "after two calls")
    expect_equal([(each["provider"], int(each["atRisk"])) for each in after["providers"]],
                 [("alice.decloud", left - 2 * PRICE)], "providers")
    expect_equal(sum(int(each["atRisk"]) for each in after["channels"]), left - 2 * PRICE, "channels")
    text = cloud.good("escrow", "exposure").out
    expect("alice.decloud" in text and "at most" in text, text)


def test_a_provider_shows_its_bounds_and_stays_within_them(cloud):
    expect_equal(cloud.well_known()["exposure"]["node"], "10000000000", "default")
    cloud.settle()
    file = cloud.home / "config" / "config.toml"
    text = file.read_text()
    for name, value in (("max_exposure_per_channel", "0.003"), ("max_exposure_per_identity", "0.004"),
                        ("max_exposure", "0.005")):
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = '{value}'", text)
    file.write_text(text)
    cloud.kill_node()
    limits = {"channel": "3000", "identity": "4000", "node": "5000"}
    public = cloud.well_known()["exposure"]
    expect_equal({each: public[each] for each in limits}, limits, "public")
    url = cloud.node(cloud.cid("hello"))
    with cloud.costs(3 * PRICE):
        answers = [http1.request(url) for _ in range(5)]
    expect_equal([each.status for each in answers], [200] * 3 + [503] * 2, "beyond the channel's bound")
    says_what_to_do(answers[-1])
    selling = shown(cloud)["selling"]
    expect_equal((selling["limits"], selling["node"]), (limits, "3000"), "operator")
    expect_equal([(each["identity"], each["amount"]) for each in selling["identities"]],
                 [(cloud.account, "3000")], "identities")
    expect_equal([each["amount"] for each in selling["channels"]], ["3000"], "channels")
    found = metrics(cloud)
    expect_equal([found[f'decloud_exposure_limit_units{{of="{each}"}}'] for each in limits], [3000, 4000, 5000],
                 "bounds as metrics")
    expect_equal(found['decloud_exposure_largest_units{of="channel"}'], 3000, "largest")
    cloud.settle()
    expect_equal(shown(cloud)["selling"]["node"], "0", "settled")
    wait_for("paid calls to go on", lambda: http1.request(url).status == 200, 20)


def test_what_is_not_worth_its_gas_is_written_off_and_shown(cloud):
    file = cloud.home / "config" / "config.toml"
    file.write_text(re.sub(r"(?m)^gas_price_gwei = .*$", "gas_price_gwei = '0.02'", file.read_text()))
    cloud.kill_node()
    payer = development_account(3)
    cloud.fund(payer, 2 * USDC)
    cid = cloud.upload(payer, {"program.wasm": probe("wasm").read_bytes()})
    expect_equal(http1.request(cloud.node(cid)).status, 200, "a call")
    known = cloud.ledger(payer.address.lower())
    expect_equal(shown(cloud)["selling"]["writtenOff"], "0", "an open channel")
    cloud.send(payer.address, cloud.escrow, "requestClose(bytes32)", known["channel"])
    wait_for("the node to see the channel close", lambda: shown(cloud)["selling"]["writtenOff"] == str(PRICE), 30)
    selling = shown(cloud)["selling"]
    expect(PRICE < 2 * int(selling["rowCost"]), str(selling))
    expect(f"{PRICE / USDC:g} of it written off" in cloud.good("escrow", "exposure").out, "text")
    text = http1.request(cloud.console_url + "/metrics").text
    expect(re.search(rf"(?m)^decloud_written_off_units {PRICE}$", text), "the metric")
    row = next(each for each in cloud.status()["channels"] if each.get("channel") == known["channel"])
    expect_equal((row["closing"], row["claimed"]), (True, "0"), "nothing was claimed")
