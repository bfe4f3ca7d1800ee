"""policy.toml at a real node: who is served, what is denied, how often, and what the file says while it changes."""

import re
import time

import http1
from content import Upload, zip_of
from ethereum import Account, development_account, keccak
from harness import Cloud, expect, expect_equal, probe, wait_for
from opencloud_test import KEYS, Signed, nonces

FRIEND = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def write(cloud, text):
    """Puts a policy into force and waits until the node has said so."""
    file = cloud.home / "config" / "policy.toml"
    logs = ("provider.log", "gateway.log")
    said = [log_of(cloud, name).count("is in force") for name in logs]
    partial = file.with_suffix(".partial")
    partial.write_text(text)
    partial.rename(file)
    for name, count in zip(logs, said):
        wait_for("the new policy", lambda: log_of(cloud, name).count("is in force") > count, 20)


def log_of(cloud, name="provider.log"):
    return (cloud.home / "state" / "logs" / name).read_text()


def hello(cloud):
    return http1.request(cloud.node(cloud.cid("hello")))


def explain(cloud, *words):
    return cloud.good("policy", "explain", "--json", "--service", "compute", "--method", "call", *words).json


def test_a_policy_says_who_is_served_and_explains_it(cloud):
    expect_equal(hello(cloud).status, 200, "without a policy")
    expect_equal(explain(cloud)["verdict"], "allowed", "without a policy")
    write(cloud, 'default = "deny"\n')
    answer = hello(cloud)
    expect_equal((answer.status, answer.header("OpenCloud-Status")), (403, "request-declined"), answer.text)
    expect("default" in explain(cloud)["why"], "the default decided")
    write(cloud, 'default = "deny"\n[[rule]]\nlabel = "hello for all"\nservice = "compute"\nmethod = "call"\nallow = true\n')
    expect_equal(hello(cloud).status, 200, "the method is allowed")
    told = explain(cloud)
    expect_equal((told["verdict"], told["rule"], told["line"]), ("allowed", "hello for all", 2), "explain")
    answer = http1.request(cloud.node_url + "/oc/v1/content/usage", "POST")
    expect(answer.status != 200, "another service")
    write(cloud, '[[rule]]\nservice = "compute"\ndeny = true\nreason = "closed on Sundays"\n')
    answer = hello(cloud)
    expect_equal((answer.status, answer.json["detail"]), (403, "closed on Sundays"), answer.text)


def test_denied_content_is_answered_451_without_a_charge(cloud):
    cid = cloud.cid("hello")
    other = next(each["cid"] for each in cloud.info["functions"] if each["cid"] != cid)
    write(cloud, f'[[rule]]\nlabel = "court"\ncid = "{cid}"\ndeny = true\n')
    with cloud.costs(0):
        for url in (cloud.node(cid), cloud.node(cid, "/path?query"), cloud.gateway(cid)):
            expect_equal(http1.request(url).status, 451, url)
        expect_equal(http1.request(cloud.node_url + f"/oc/v1/content/usage?arg={cid}", "POST").status, 451, "an argument")
    expect(http1.request(cloud.node(other)).status != 451, "other content")
    told = explain(cloud, "--cid", cid)
    expect_equal((told["verdict"], told["rule"]), ("content denied", "court"), "explain")
    write(cloud, f'[[rule]]\nowner = "{cloud.account}"\ndeny = true\nreason = "not his"\n')
    with cloud.costs(0):
        answer = hello(cloud)
        expect_equal((answer.status, answer.json["detail"]), (451, "not his"), "its owner")
    write(cloud, "")
    expect_equal(hello(cloud).status, 200, "denied no more")
    package = zip_of({"program.wasm": probe("wasm").read_bytes()})
    deployed = cloud.upload(cloud.user(), package=package)
    expect_equal(http1.request(cloud.node(deployed)).status, 200, "with that program")
    write(cloud, f'[[rule]]\ncid = "{Upload().add(package)}"\ndeny = true\n')
    expect_equal(http1.request(cloud.node(deployed)).status, 451, "a deployment of a denied program")
    expect_equal(hello(cloud).status, 200, "another program")
    write(cloud, "")


def test_a_gateway_passes_denied_names_on_to_nobody(cloud):
    cid = cloud.cid("hello")
    write(cloud, '[[rule]]\nname = "alice.decloud"\ndeny = true\n')
    expect_equal(http1.request(cloud.gateway(cid)).status, 451, "by the gateway")
    expect_equal(http1.request(cloud.gateway_url + "/healthz").status, 200, "what is the gateway's own")
    expect_equal(hello(cloud).status, 200, "straight from the node, which is asked for no name")
    write(cloud, "")
    expect_equal(http1.request(cloud.gateway(cid)).status, 200, "denied no more")


def test_who_signs_is_known_by_id_and_a_denied_id_denies_the_request(cloud):
    known, denied = KEYS
    target = f"/{cloud.cid('hello')}"
    (cloud.home / "config" / "known.txt").write_text(known.id + "\n")
    write(cloud, 'default = "deny"\n[group.known]\nids-file = "known.txt"\n[[rule]]\ngroup = "known"\nallow = true\n')
    fresh = nonces(cloud, KEYS)
    request = Signed(cloud, target, keys=[known], nonces=fresh)
    expect_equal(request.send().status, 200, "who is known")
    expect_equal(explain(cloud, "--id", known.id)["verdict"], "allowed", "explain")
    stranger = Signed(cloud, target, keys=[denied], nonces=fresh)
    expect_equal(stranger.send().status, 403, "who is not")
    expect_equal(hello(cloud).status, 403, "who does not say")
    write(cloud, f'[[rule]]\nlabel = "out"\nid = "{denied.id}"\ndeny = true\nreason = "you owe me"\n'
                 f'[[rule]]\nid = "{known.id}"\nservice = "compute"\nmethod = "call"\nallow = true\n')
    both = Signed(cloud, target, keys=KEYS, nonces=nonces(cloud, KEYS))
    answer = both.send()
    expect_equal((answer.status, answer.json["detail"]), (403, "you owe me"), "one of two")
    expect_equal(explain(cloud, "--id", known.id, "--id", denied.id)["rule"], "out", "explain")
    alone = Signed(cloud, target, keys=[known], nonces=nonces(cloud))
    expect_equal(alone.send().status, 200, "the other alone")
    write(cloud, '[[rule]]\nservice = "compute"\nrate-limit = { per-day = 1 }\n')
    for key, status in ((known, 200), (denied, 200), (known, 429)):
        again = Signed(cloud, target, keys=[key], nonces=nonces(cloud, [key]))
        expect_equal(again.send().status, status, "each id has a bucket of its own")
    write(cloud, "")


def test_a_broken_file_is_refused_with_its_line_and_the_old_stays(cloud):
    write(cloud, 'default = "deny"\n')
    file = cloud.home / "config" / "policy.toml"
    for text, line, word in (("default = 'deny'\n[[rule]]\nallow = yes\n", 3, ""),
                             ("\n\n[[rule]]\nalow = true\n", 4, 'unknown key "alow"'),
                             ('[group.friends]\nids-file = "nowhere.txt"\n', 2, "nowhere.txt")):
        file.write_text(text)
        said = wait_for("the complaint", lambda: re.findall(rf"policy.toml:{line}: .*stays in force", log_of(cloud)), 20)
        expect(word in said[-1], lambda: said[-1])
        expect_equal(hello(cloud).status, 403, "the old policy")
        checked = cloud.cli("policy", "check")
        expect_equal(checked.code, 64, str(checked))
        expect(f"policy.toml:{line}: " in checked.err, str(checked))
    (cloud.home / "config" / "nowhere.txt").write_text(f"# my friends\n{FRIEND}\n")
    wait_for("the file to be whole", lambda: hello(cloud).status == 200, 20)
    checked = cloud.good("policy", "check", "--json").json
    expect_equal((checked["rules"], checked["ids"]), (0, 1), "check")
    file.unlink()
    wait_for("the node to notice", lambda: "policy.toml is gone" in log_of(cloud), 20)
    expect_equal(hello(cloud).status, 200, "the old policy")
    write(cloud, "")


def test_who_asks_too_often_is_told_when_to_come_again(cloud):
    write(cloud, '[[rule]]\nservice = "compute"\nrate-limit = { per-day = 3 }\n')
    for left in (2, 1, 0):
        answer = hello(cloud)
        expect_equal(answer.status, 200, "within the limit")
        expect(answer.header("RateLimit").startswith(f'"policy";r={left};t='), f"{answer.headers}")
        expect_equal(answer.header("RateLimit-Policy"), '"policy";q=3;w=86400', "RateLimit-Policy")
    answer = hello(cloud)
    expect_equal((answer.status, answer.header("OpenCloud-Status")), (429, "request-declined"), answer.text)
    seconds = answer.header("Retry-After")
    expect(28000 < int(seconds) <= 28800, f"a third of a day, not {seconds}")
    expect_equal(answer.header("RateLimit"), f'"policy";r=0;t={seconds}', "RateLimit")
    said = explain(cloud, "--client", "127.0.0.1")
    expect("3 per day" in str(said["commands"]) and "127.0.0.1" in said["countedFor"][0], str(said))
    expect("2001:db8:1:2::/64" in explain(cloud, "--client", "2001:db8:1:2:3::4")["countedFor"][0], "a whole /64")
    write(cloud, '# more text\n[[rule]]\nservice = "compute"\nrate-limit = { per-day = 3 }\n')
    expect_equal(hello(cloud).status, 429, "the counts of a rule outlive a reload")
    write(cloud, "")


def test_the_least_payment_and_the_price_of_the_policy_are_what_a_call_costs(cloud):
    write(cloud, '[[rule]]\nservice = "compute"\nmin-payment = { currency = "USDC", amount = 2000 }\n')
    with cloud.costs(0):
        answer = hello(cloud)
    expect_equal(answer.status, 402, "more than the owner has allowed")
    expect_equal({each["amount"] for each in answer.json["acceptable"]}, {"2000"}, "what it costs")
    user = cloud.user()
    cloud.fund(user, 10_000, price=2000)
    url = cloud.node(cloud.cid("hello"))
    with cloud.costs(2000, user.address):
        expect_equal(cloud.pay(user, url, max_price=1999).status, 402, "less than the least")
        expect_equal(cloud.pay(user, url, max_price=2000).status, 200, "the least")
    expect_equal(explain(cloud, "--amount", "1999")["verdict"], "too-low", "explain")
    expect_equal(explain(cloud, "--amount", "2000")["verdict"], "allowed", "explain")
    write(cloud, '[[rule]]\nservice = "compute"\nprice = { currency = "USDC", base = 400 }\n')
    with cloud.costs(400):
        expect_equal(hello(cloud).status, 200, "cheaper than config.toml says")
    expect_equal(explain(cloud)["quote"], "400", "explain")
    quoted = http1.request(cloud.node("oc/v1/compute/quote", "?arg=call&arg=call%3D3"), "POST").json
    expect_equal(quoted["amount"], "1200", str(quoted))
    write(cloud, "")


def proved(cloud, account, key):
    """`OpenCloud-Credential` of an account under a signature of that key."""
    expires = int(time.time()) + 600
    text = f"OpenCloud-Credential-v1|{key.id}|{account.address}|{expires}|{cloud.audience}".encode()
    proof = account.sign(keccak(b"\x19Ethereum Signed Message:\n%d" % len(text) + text))
    return {"OpenCloud-Credential": f'"{account.address}";exp={expires};proof="{proof}"'}


def test_an_account_needs_the_balance_that_the_policy_requires(cloud):
    write(cloud, '[[rule]]\nservice = "compute"\nmethod = "call"\n'
                 'require = { kind = ["ethereum"], balance = { currency = "USDC", amount = 5000 } }\n')
    expect_equal(hello(cloud).status, 403, "who shows no account")
    for has, status in ((0, 403), (4999, 403), (5000, 200)):
        account = Account.fresh()
        cloud.send(development_account(0).address, cloud.info["chain"]["usdc"], "mint(address,uint256)", account.address, has)
        request = Signed(cloud, "/" + cloud.cid("hello"), nonces=nonces(cloud), more=proved(cloud, account, KEYS[0]))
        expect_equal(request.send().status, status, f"{has}: {request.answer.text}")
    write(cloud, "")


def test_a_node_does_not_start_with_a_broken_policy(home):
    file = home / "config" / "policy.toml"
    file.write_text("default = 1\n")
    cloud = Cloud(home)
    try:
        cloud.start()
    except AssertionError as failure:
        expect("policy.toml:1" in str(failure) + log_of(cloud), str(failure))
    else:
        cloud.stop()
        raise AssertionError("it started")
