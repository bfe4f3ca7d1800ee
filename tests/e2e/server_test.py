"""Programs that stay warm: servers behind a node, called through its gateway, and paid."""

import os
import pathlib
import re
import secrets
import socket
import subprocess
import time

import http1
from harness import PRICE, ROOT, expect, expect_equal, in_threads, project, wait_for


def deployed(cloud, folder, name, program, **options):
    done = cloud.good("deploy", project(folder / name, name, runtime="server", program=program, **options),
                      "--provider", "alice.decloud", "--json")
    return done.json["cid"]


def events(cloud, folder, name="events", toml="[server]\nconcurrency = 16\n"):
    """The example's program, deployed."""
    source = ROOT / "examples" / "events"
    program = folder / "events-program"
    subprocess.run(["clang-19", "-O1", "-D_GNU_SOURCE", "-static", "-pthread", "-o", str(program),
                    str(source / "events.c")], check=True)
    return deployed(cloud, folder, name, program, toml=toml)


def test_a_server_stays_warm_and_every_call_is_paid(cloud, folder):
    cid = events(cloud, folder)
    with cloud.costs(3 * PRICE):
        for number, url in enumerate((cloud.gateway(cid), cloud.node(cid), cloud.subdomain(cid)), 1):
            answer = http1.request(url)
            expect_equal((answer.status, answer.body), (200, f"request {number}\n".encode()), url)


def opened_events(url, timeout=30):
    """A connection on which server-sent events that begin with `tick 1` arrive, and what has come of them."""
    connection = socket.create_connection(http1.address_of(url), timeout)
    connection.sendall(f"GET {http1.target_of(url)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    seen = b""
    while b"tick 1\n" not in seen:
        more = connection.recv(65536)
        expect(more, f"the answer ended after {seen!r}")
        seen += more
    return connection, seen


def expect_one_by_one(url, last):
    """They arrive before the last one is sent."""
    connection, seen = opened_events(url)
    with connection:
        expect(last not in seen, "all events came at once")
        expect(b"content-type: text/event-stream" in seen.lower(), seen)
        while more := connection.recv(65536):
            seen += more
        expect(last in seen, seen[-200:])


def test_events_arrive_as_they_are_sent(cloud, folder):
    cid = events(cloud, folder, "ticks")
    for base in (cloud.gateway_url, cloud.node_url):
        with cloud.costs(PRICE):
            # Two seconds of events lie between the first and the last: nobody waits for the end of the answer.
            expect_one_by_one(f"{base}/p/alice/{cid}/ticks?count=20", b"tick 20\n")


def test_bodies_stream_both_ways(cloud, folder):
    cid = events(cloud, folder, "bodies")
    body = os.urandom(5_000_000)
    with cloud.costs(2 * PRICE):
        for url in (cloud.gateway(cid, "/echo"), cloud.node(cid, "/echo")):
            answer = http1.request(url, body=body, headers=[("Content-Digest", http1.content_digest(body))])
            expect_equal((answer.status, answer.body == body), (200, True), url)


def test_many_calls_share_one_instance(cloud, folder):
    cid = events(cloud, folder, "many")
    with cloud.costs(16 * PRICE):
        answers = in_threads(16, lambda _: http1.request(cloud.node(cid)).body)
    expect_equal(sorted(answers, key=lambda text: int(text.split()[1])),
                 [f"request {number}\n".encode() for number in range(1, 17)])


SERVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    static char head[65536], text[70000];
    for (;;) {
        int connection = accept(3, 0, 0);
        long size = recv(connection, head, sizeof head - 1, 0);
        head[size > 0 ? size : 0] = 0;
        if (strstr(head, "/crash ")) abort();
        if (strstr(head, "/hang ")) pause();
        sprintf(text, "HTTP/1.1 203 Own\r\nSet-Cookie: a=1; Domain=x\r\nSet-Cookie: b=2; Path=/\r\n"
            "X-Decloud-Receipt: forged\r\nX-Own: yes\r\n\r\n%s|%s\n%s",
            getenv("COLOUR"), getenv("WORD"), head);
        send(connection, text, strlen(text), MSG_NOSIGNAL);
        close(connection);
    }
}
"""


def small_server(folder):
    source = folder / "small.c"
    source.write_text(SERVER)
    program = folder / "small-program"
    subprocess.run(["clang-19", "-O1", "-static", "-o", str(program), str(source)], check=True)
    return program


def test_heads_environment_and_failures(cloud, folder):
    cid = deployed(cloud, folder, "small", small_server(folder),
                   toml='[environment]\nCOLOUR = "blue"\nWORD = "w"\n')
    url = cloud.gateway(cid, "/some%20where?a=b")
    with cloud.costs(4 * PRICE):
        answer = http1.request(url, headers=[("X-Payment-Forged", "1"), ("Cookie", "c=3"), ("Authorization", "mine")])
        expect_equal((answer.status, answer.header("X-Own")), (203, "yes"), answer.text[:300])
        cookies = answer.all("Set-Cookie")
        expect_equal([cookie.split(";")[0] for cookie in cookies], ["a=1", "b=2"])
        expect(all("Domain" not in cookie and cid in cookie for cookie in cookies), cookies)
        expect(answer.receipt != "forged", answer.headers)
        expect(answer.text.startswith("blue|w\nGET /some%20where?a=b HTTP/1.1\r\n"), answer.text)
        lower = answer.text.lower()
        expect("cookie: c=3" in lower and "x-forwarded-prefix: /" in lower, answer.text)
        expect("forged" not in lower and "authorization" not in lower and "opencloud" not in lower, answer.text)
        # Its own fault, so it is paid; the next call finds a server again.
        expect_equal(http1.request(cloud.node(cid, "/crash")).status, 502)
        expect_equal(http1.request(cloud.node(cid, "/hang")).status, 504)
        expect_equal(http1.request(cloud.node(cid)).status, 203)


# GET / answers how many requests there were, and starts a thread that never rests.
RESTLESS = r"""
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static volatile unsigned long turns;
static void* never_rest(void* unused) { for (;;) ++turns; return unused; }
int main(void) {
    static char head[65536], text[256];
    for (int count = 1;; ++count) {
        int connection = accept(3, 0, 0);
        recv(connection, head, sizeof head, 0);
        pthread_t thread;
        if (count == 1) pthread_create(&thread, 0, never_rest, 0);
        sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%d\n", count);
        send(connection, text, strlen(text), MSG_NOSIGNAL);
        close(connection);
    }
}
"""


def processor_ticks(process):
    """What all threads of a process have used so far."""
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def processes_called(name):
    """As the host sees them."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if status.read_text().strip() == name:
                found.append(int(status.parent.name))
        except OSError:
            pass  # it has just ended
    return found


def servers(cloud, state):
    text = http1.request(cloud.console_url + "/metrics").text
    return float(re.search(rf'^decloud_servers{{runtime="server",state="{state}"}} (.*)$', text, re.MULTILINE)[1])


def restless(cloud, folder, idle):
    """A deployment, and what the host calls its process."""
    name = f"rest-{secrets.token_hex(4)}"
    (folder / "restless.c").write_text(RESTLESS)
    subprocess.run(["clang-19", "-O1", "-static", "-pthread", "-o", str(folder / name), str(folder / "restless.c")],
                   check=True)
    return deployed(cloud, folder, "restless", folder / name, toml=f'[server]\nidle = "{idle}"\n'), name


def test_a_server_stands_still_while_nobody_calls_it(cloud, folder):
    cid, name = restless(cloud, folder, "60s")
    expect_equal(http1.request(cloud.gateway(cid)).text, "1\n")
    [process] = processes_called(name)

    def stands_still():
        before = processor_ticks(process)
        time.sleep(0.3)
        return processor_ticks(process) == before

    wait_for("its thread to rest", stands_still)
    expect(servers(cloud, "frozen") >= 1, "no frozen server in the metrics")
    # The same instance goes on.
    expect_equal(http1.request(cloud.gateway(cid)).text, "2\n")
    expect_equal(processes_called(name), [process])


def test_a_frozen_server_is_ended_when_nobody_calls_it(cloud, folder):
    cid, name = restless(cloud, folder, "3s")
    expect_equal(http1.request(cloud.gateway(cid)).text, "1\n")
    wait_for("its end", lambda: not processes_called(name))
    expect_equal(http1.request(cloud.gateway(cid)).text, "1\n")
