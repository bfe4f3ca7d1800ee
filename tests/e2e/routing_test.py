"""Calls by content id alone: the gateway finds who runs it, chooses, and leaves out whom it cannot reach."""

import threading
import time

import http1
from ethereum import development_account
from harness import PRICE, USDC, expect, expect_equal, in_threads, project, wait_for
from providers_test import OWNER, good, new_home, ready_bob

ALICE, BOB = "alice.decloud", "bob.decloud"


def chosen(answer):
    return answer.header("X-Decloud-Provider")


def get(cloud, target, headers=()):
    return http1.request(cloud.gateway_url + target, headers=headers)


def only(name):
    return {"X-Decloud-Prefer": f'only=("{name}")'}


def prepare(cloud, folder):
    """Bob beside alice, and a deployment that both run; its owner pays both."""
    bob = ready_bob(cloud, folder, 60)
    wait_for("alice to see it", lambda: cloud._sees(OWNER.address, PRICE, USDC), 60)
    home = new_home(cloud, folder / "owner", "default", OWNER)
    cid = good(home, "deploy", project(folder / "both", "both"), "--provider", ALICE, "--provider", BOB, "--json").json["cid"]
    for name in (ALICE, BOB):
        wait_for(f"{name} to be found", lambda name=name: get(cloud, f"/{cid}?environment=1", only(name)).status == 200, 60)
    return bob, cid, home


def test_whoever_runs_it_is_found_and_one_who_is_killed_is_left_out(cloud, folder):
    bob, cid, _ = prepare(cloud, folder)
    for name in (ALICE, BOB):
        wait_for(f"{name} alone", lambda name=name: chosen(get(cloud, f"/{cid}?environment=1", only(name))) == name, 60)
        other = {ALICE: BOB, BOB: ALICE}[name]
        avoid = {"X-Decloud-Prefer": f'not=("{other}")'}
        wait_for(f"{name}, not {other}", lambda name=name, avoid=avoid: chosen(
            get(cloud, f"/{cid}?environment=1", avoid)) == name, 60)
    for preference in ("by=latency", "by=price", "by=reputation", "max-price=1000"):
        expect_equal(get(cloud, f"/{cid}?environment=1", {"X-Decloud-Prefer": preference}).status, 200, preference)
    answer = get(cloud, f"/{cid}?environment=1", {"X-Decloud-Prefer": "max-price=1"})
    expect_equal(answer.status, 404, answer.text)

    stop, answers = threading.Event(), []

    def call(_):
        while not stop.is_set():
            begun = time.monotonic()
            try:
                answer = get(cloud, f"/{cid}?environment=1")
            except ConnectionError:
                answer = None  # cut off in the middle of its answer
            answers.append((begun, time.monotonic(), answer))

    calls = threading.Thread(target=in_threads, args=(3, call))
    calls.start()
    try:
        wait_for("both to be chosen", lambda: {chosen(each) for _, _, each in list(answers) if each} == {ALICE, BOB}, 120)
        killed = time.monotonic()
        bob.process.kill()
        bob.process.wait()
        gone = time.monotonic()
        seen = len(answers)
        wait_for("more answers", lambda: len(answers) > seen + 30, 60)
    finally:
        stop.set()
        calls.join()
    # What bob had been sent may have run and been charged: it is not sent to alice.
    for begun, ended, each in answers:
        if each is not None and each.status == 200:
            continue
        told = each and f"{each.status} {chosen(each)} {each.text}"
        expect(begun < gone and ended > killed, f"{begun} to {ended}, killed {killed} to {gone}: {told}")
        expect(each is None or (each.status, chosen(each)) == (502, BOB), told)
    after = [chosen(each) for begun, _, each in answers if begun > gone]
    expect(len(after) > 10 and set(after[-10:]) == {ALICE}, f"the dead one is left out: {after}")
    expect_equal(get(cloud, f"/p/{BOB}/{cid}").status, 502, "bob is away")
    bob.start()
    wait_for("bob to be chosen again", lambda: chosen(get(cloud, f"/{cid}?environment=1")) == BOB, 120)
    bob.stop()


def test_a_call_that_its_caller_pays_goes_to_whom_it_names(cloud, folder):
    payer = development_account(4)
    cloud.fund(payer, USDC)
    url = f"/{cloud.cid('hello')}"
    wait_for("the first answer to name alice", lambda: (
        answer := get(cloud, url)).status == 200 and chosen(answer) == ALICE, 60)
    header = {"OpenCloud-Payment": cloud.authorization(payer, "GET", url)}
    with cloud.costs(PRICE, payer.address):
        expect_equal(get(cloud, url, header).status, 200, "the payment names alice")
    signed = dict(header, **{"OpenCloud-Audience": cloud.audience})
    expect_equal(chosen(get(cloud, url, signed)), ALICE, "so does the audience")
    stranger = development_account(5).address.lower()
    answer = get(cloud, url, {"OpenCloud-Audience": f"eip155:{cloud.chain_id}:{stranger}"})
    expect(answer.status == 404 and stranger in answer.text, answer.text)
    for bad in ({"OpenCloud-Payment": 'attached;method="window";payload=:e30=:'}, {"OpenCloud-Audience": "alice"},
                {"X-PAYMENT": "e30="}):
        expect_equal(get(cloud, url, bad).status, 400, bad)


def test_what_nobody_runs_and_what_cannot_be_preferred_is_refused(cloud):
    unknown = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    answer = wait_for("an answer", lambda: (got := get(cloud, "/" + unknown)).status != 503 and got, 60)
    expect(answer.status == 404 and unknown in answer.text, answer.text)
    for bad in ("by=luck", "only=()", "not=alice", "max-price=-1", "faster", "("):
        expect_equal(get(cloud, f"/{cloud.cid('hello')}", {"X-Decloud-Prefer": bad}).status, 400, bad)


def test_an_answer_says_what_happened(cloud):
    answer = wait_for("alice to be found", lambda: (
        got := get(cloud, f"/{cloud.cid('hello')}", {"X-Decloud-Request-Id": "mine"})).status == 200 and got, 60)
    expect(len(answer.header("X-Decloud-Request-Id")) == 32, answer.headers)
    timing = answer.header("Server-Timing")
    expect(timing.startswith("gateway;dur=") and ", provider;dur=" in timing, timing)
    expect_equal(answer.all("X-Decloud-Provider"), [ALICE], "once")


def by_alias(cloud, alias, target="/", method=None, headers=(), body=b""):
    """The alias's host, by the gateway's address."""
    host, port = http1.address_of(cloud.gateway_url)
    with http1.Connection((host, port)) as connection:
        method = method or ("POST" if body else "GET")
        connection.send(http1.request_bytes(method, target, f"{alias}.fn.localhost:{port}", headers, body))
        return connection.response(method)


def test_an_alias_is_its_owners_and_can_go_back(cloud, folder):
    hello, markdown = cloud.cid("hello"), cloud.cid("markdown")
    expect_equal(by_alias(cloud, "greeter").status, 404, "nobody has bound it")
    bound = cloud.good("alias", "set", "greeter", hello, "--json").json
    expect_equal((bound["version"], bound["cid"]), (1, hello), bound)
    answer = wait_for("hello", lambda: (got := by_alias(cloud, "greeter")).status == 200 and got, 60)
    expect_equal((answer.body, chosen(answer)), (b"hello\n", ALICE), "by its alias")
    expect_equal(answer.header("Content-Security-Policy"), None, "an origin of its own has no sandbox")

    cloud.good("alias", "set", "greeter", markdown)
    answer = wait_for("the other function", lambda: (
        got := by_alias(cloud, "greeter", body=b"# *a*\n")).status == 200 and got, 60)
    expect(b"<h1>" in answer.body, answer.text)
    rolled = cloud.good("alias", "rollback", "greeter", "--json").json
    expect_equal((rolled["version"], rolled["cid"]), (3, hello), rolled)
    expect_equal(by_alias(cloud, "greeter").body, b"hello\n", "back")
    shown = cloud.good("alias", "show", "greeter", "--json").json
    expect_equal([each["cid"] for each in shown["history"]], [hello, markdown, hello], "history")

    other = new_home(cloud, folder / "other", "default", development_account(6))
    environment = cloud.environment | {"DECLOUD_HOME": str(other)}
    stolen = cloud.cli("alias", "set", "greeter", markdown, environment=environment)
    expect(stolen.code == 4 and "another's" in stolen.err, str(stolen))
    for bad in ("fn", "app", "A", "a.b"):
        expect(cloud.cli("alias", "set", bad, hello).code != 0, bad)
    cloud.good("alias", "unset", "greeter")
    expect_equal(by_alias(cloud, "greeter").status, 404, "unset")


def test_what_is_paid_or_signed_is_sent_from_an_alias_to_the_cid(cloud):
    hello = cloud.cid("hello")
    cloud.good("alias", "set", "payable", "hello")
    with cloud.costs(0):
        for header in ({"OpenCloud-Payment": cloud.authorization(development_account(4), "GET", f"/{hello}/a?b")},
                       {"Signature": "a=:AA==:"}, {"OpenCloud-Audience": cloud.audience}, {"X-PAYMENT": "e30="}):
            answer = by_alias(cloud, "payable", "/a?b", headers=header)
            expect_equal((answer.status, answer.header("Content-Location")), (421, f"/{hello}/a?b"), header)


def test_an_alias_outlives_its_gateway(cloud):
    cloud.good("alias", "set", "durable", "hello")
    cloud.kill("gateway")
    wait_for("the alias", lambda: reached(cloud, "durable"), 90, 0.2)


def reached(cloud, alias):
    try:
        return by_alias(cloud, alias).status == 200
    except OSError:
        return False
