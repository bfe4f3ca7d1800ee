"""What one address and one deployment may ask of a gateway."""

import re

import http1
from edge import Gateway
from harness import expect, expect_equal, in_threads, wait_for

CONSOLE = 'console = "127.0.0.1:0"\n'


def metric(gateway, limit):
    port = re.search(r"console on 127.0.0.1:(\d+)", gateway.log()).group(1)
    page = http1.request(f"http://127.0.0.1:{port}/metrics").text
    return int(float(re.search(rf'limit_rejections_total{{limit="{limit}"}} (\S+)', page).group(1)))


def check_flood(cloud, gateway, limit):
    url = f"http://127.0.0.1:{gateway.port}/p/alice.decloud/{cloud.cid('hello')}"
    answers = in_threads(30, lambda _: http1.request(url))
    refused = [answer for answer in answers if answer.status == 429]
    expect_equal({answer.status for answer in answers}, {200, 429}, limit)
    for answer in refused:
        expect(1 <= int(answer.header("Retry-After")) <= 3, answer.headers)
        expect("no more requests" in answer.json["detail"], answer.text)
    expect_equal(metric(gateway, limit), len(refused), limit)
    wait_for("the limit to let one through", lambda: http1.request(url).status == 200, 30)
    return url


def test_an_address_that_asks_too_much_is_told_to_wait(cloud, folder):
    more = CONSOLE + "[gateway.per_address]\nper_second = 1\nburst = 3\n"
    with Gateway(cloud, folder / "gateway", more=more) as gateway:
        check_flood(cloud, gateway, "address")
        expect_equal(http1.request(f"http://127.0.0.1:{gateway.port}/healthz").status, 200, "not limited")


def test_a_deployment_that_is_asked_too_much_leaves_others_alone(cloud, folder):
    more = CONSOLE + "[gateway.per_deployment]\nper_second = 1\nburst = 3\nconcurrent = 100\n"
    with Gateway(cloud, folder / "gateway", more=more) as gateway:
        check_flood(cloud, gateway, "deployment")
        other = f"http://127.0.0.1:{gateway.port}/p/alice.decloud/.well-known/decloud"
        for answer in in_threads(20, lambda _: http1.request(other)):
            expect_equal(answer.status, 200, "another address at the same provider")
