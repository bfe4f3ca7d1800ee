"""What strangers can cost a node and a gateway, and what their operators see of it."""

import os
import re
import subprocess

import http1
from harness import PROGRAM, Cloud, expect, expect_equal

CLIENT, OTHER = "203.0.113.7", "203.0.113.8"
NONSENSE = 'attached;method="authorization";payload=:e30=:'


def configure(home, section, **settings):
    """Writes settings, given as TOML, into a section of a home that is not in use."""
    file = home / "config" / "config.toml"
    text = file.read_text()
    for key in settings:
        text = re.sub(rf"(?m)^{key} = .*\n", "", text)
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    changed = text.replace(f"[{section}]\n", f"[{section}]\n{lines}")
    expect(changed != text, f"no [{section}] in {text}")
    file.write_text(changed)


def hello(cloud, client=None, payment=None):
    headers = [("Forwarded", f"for={client}")] if client else []
    headers += [("OpenCloud-Payment", payment)] if payment else []
    return http1.request(cloud.node(cloud.cid("hello")), headers=headers)


def test_who_fails_too_often_is_turned_away_and_nobody_else(home):
    configure(home, "provider", gateways='["127.0.0.1"]', failed_attempts=5)
    with Cloud(home) as cloud:
        for _ in range(5):
            expect_equal(hello(cloud, CLIENT, NONSENSE).status, 400, "a payment that cannot be read")
        for payment in (NONSENSE, None):
            answer = hello(cloud, CLIENT, payment)
            expect_equal((answer.status, answer.header("OpenCloud-Status")), (429, "request-declined"), answer.text)
            expect_equal(answer.header("Retry-After"), "12", "when to come again")
        expect_equal(hello(cloud, OTHER).status, 200, "another client of the same gateway")
        for _ in range(20):
            hello(cloud, payment=NONSENSE)
        expect_equal(hello(cloud).status, 200, "the gateway itself, which does not say whose requests they were")
        expect_equal(http1.request(cloud.gateway(cloud.cid("hello"))).status, 200, "by the gateway")
        metrics = http1.request(cloud.console_url + "/metrics").text
        expect("decloud_requests_turned_away_total 2" in metrics, "the metric of it")


def test_nobody_else_can_say_for_whom_a_request_is(cloud):
    for number in range(70):
        hello(cloud, f"203.0.113.{number}", NONSENSE)
    expect_equal(hello(cloud, "203.0.113.1").status, 200, "a Forwarded that nobody believes")


def test_the_gateway_has_metrics_on_a_console_of_its_own(home):
    configure(home, "gateway", console='"127.0.0.1:0"')
    with Cloud(home) as cloud:
        log = (home / "state" / "logs" / "gateway.log").read_text()
        console = "http://" + re.findall(r"console on (127\.0\.0\.1:\d+)", log)[-1]
        expect_equal(http1.request(cloud.gateway(cloud.cid("hello"))).status, 200, "hello")
        metrics = http1.request(console + "/metrics").text
        expect('decloud_gateway_requests_total{code_class="2xx"}' in metrics, metrics)
        expect_equal(http1.request(console + "/metrics", headers={"Origin": "http://evil.example"}).status, 403,
                     "another site's page")
        expect_equal(http1.request(cloud.gateway_url + "/metrics").status, 404, "in public")


def most_memory(cloud, *words):
    """Of a command that succeeds, in bytes. A sanitizer keeps freed memory for a while: less of it here."""
    sanitizer = f"{cloud.environment.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"
    process = subprocess.Popen([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               env=cloud.environment | {"DECLOUD_HOME": str(cloud.home), "ASAN_OPTIONS": sanitizer})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    expect_equal(process.returncode, 0, " ".join(map(str, words)))
    return usage.ru_maxrss * 1024


def test_content_passes_through_commands_without_being_held_in_memory(cloud, folder):
    size = 256 << 20
    source = folder / "large"
    with open(source, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    cid = cloud.good("content", "add", source).out.strip()
    idle = most_memory(cloud, "content", "list")
    for words in (["add", source], ["export", cid, "-o", folder / "car"], ["import", folder / "car"],
                  ["get", cid, "-o", folder / "back"], ["cat", cid]):
        used = most_memory(cloud, "content", *words) - idle
        expect(used < size // 2, f"content {words[0]} took {used >> 20} MiB for {size >> 20} MiB")
    with open(source, "rb") as one, open(folder / "back", "rb") as other:
        while chunk := one.read(1 << 20):
            expect(chunk == other.read(1 << 20), "the content is another")
    expect(not list(cloud.home.rglob("scratch-*")), "something was left behind")
