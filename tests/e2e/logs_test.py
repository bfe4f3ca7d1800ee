"""`decloud logs`: what a function wrote to standard error, for its owner alone."""

import json
import subprocess
import threading

import http1
from ethereum import development_account
from harness import PROGRAM, Failure, expect, expect_equal, in_threads, new_folder, project, wait_for

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    fprintf(stderr, "canary-stderr of %s\n", getenv("QUERY_STRING"));
    if (getenv("QUERY_STRING")[0] == 'x') return 3;
    puts("fine");
}
"""


def compiled(folder, name):
    source = folder / f"{name}.c"
    source.write_text(SOURCE)
    program = folder / f"{name}.wasm"
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-O1", "-o", str(program), str(source)], check=True)
    return program


def deployed(cloud, folder, name, *options):
    done = cloud.good("deploy", project(folder / name, name, "wasm", compiled(folder, name)), "--provider", "alice.decloud", "--json",
                      *options)
    return done.json["cid"]


def entries(cloud, *words):
    done = cloud.good("logs", *words, "--json")
    return [json.loads(line) for line in done.out.splitlines()]


def ask(cloud, account, cid, **changes):
    """The request that `decloud logs` makes."""
    target = f"/oc/v1/compute/logs?arg={cid}"
    paid = cloud.authorization(account, "POST", target, b"", 0, **changes)
    return lambda: http1.request(cloud.node_url + target, "POST", [("OpenCloud-Payment", paid)])


def test_the_owner_sees_stderr_and_the_caller_does_not(cloud, folder):
    cid = deployed(cloud, folder, "talker")
    good = http1.request(cloud.gateway(cid, "?one"))
    bad = http1.request(cloud.node(cid, "?x"))
    expect_equal((good.status, good.text, bad.status), (200, "fine\n", 502))
    for answer in (good, bad):
        expect("canary-stderr" not in answer.text + str(answer.headers), answer.text)
    found = entries(cloud, "talker")
    expect_equal([each["stderr"] for each in found], ["canary-stderr of one\n", "canary-stderr of x\n"])
    expect_equal([each["exitCode"] for each in found], [0, 3])
    expect_equal({each["provider"] for each in found}, {"alice.decloud"})
    text = cloud.good("logs", cid).out
    expect("alice.decloud" in text and "exit code 3\n  canary-stderr of x\n" in text, text)


def test_nobody_else_sees_them(cloud, folder):
    cid = deployed(cloud, folder, "shy", "--public")
    http1.request(cloud.node(cid, "?one"))
    stranger = ask(cloud, development_account(2), cid)()
    expect_equal(stranger.status, 403, stranger.text)
    for answer in (stranger, http1.request(f"{cloud.node_url}/oc/v1/compute/logs?arg={cid}", "POST"),
                   http1.request(f"{cloud.node_url}/oc/v1/compute/logs?arg={cid}")):
        expect(400 <= answer.status < 500 and "canary-stderr" not in answer.text, f"{answer.status} {answer.text}")
    home = new_folder("stranger")
    config = {"DECLOUD_HOME": str(home), "DECLOUD_RPC_URL": cloud.info["chain"]["rpc"]}
    unknown = cloud.cli("logs", "nothing-of-this-name")
    expect_equal(unknown.code, 3, str(unknown))
    nowhere = cloud.cli("logs", cid, environment=cloud.environment | config)
    expect_equal(nowhere.code, 64, str(nowhere))
    expect("--provider" in nowhere.err, str(nowhere))


def test_a_statement_works_once(cloud, folder):
    """With an owner whose key the test has."""
    owner = cloud.user()
    cloud.fund(owner, 5_000_000)
    cid = cloud.upload(owner, {"program.wasm": compiled(folder, "once").read_bytes()})
    expect_equal(http1.request(cloud.node(cid, "?one")).status, 200)
    request = ask(cloud, owner, cid)
    first, second = request(), request()
    expect_equal(first.status, 200, first.text)
    expect("canary-stderr of one" in first.text, first.text)
    expect_equal(second.status, 409, second.text)
    expect("canary-stderr" not in second.text, second.text)
    late = ask(cloud, owner, cid, validBefore=1)()
    expect(400 <= late.status < 500 and "canary-stderr" not in late.text, f"{late.status} {late.text}")


class Follower:
    """`decloud logs --follow`, read line by line."""

    def __init__(self, cloud, name):
        self.lines = []
        self.process = subprocess.Popen(
            [PROGRAM, "logs", name, "--follow", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=cloud.environment | {"DECLOUD_HOME": str(cloud.home)})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def wait(self, text):
        def seen():
            if self.process.poll() is not None:
                raise Failure(f"ended with {self.process.returncode}: {self.process.stderr.read()}")
            return any(text in each["stderr"] for each in self.lines)
        wait_for(f"{text} in the logs", seen)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def test_following_shows_calls_as_they_come(cloud, folder):
    cid = deployed(cloud, folder, "followed")
    http1.request(cloud.node(cid, "?before"))
    follower = Follower(cloud, "followed")
    try:
        follower.wait("of before")
        http1.request(cloud.node(cid, "?after"))
        follower.wait("of after")
    finally:
        follower.stop()


def test_a_servers_stderr_is_there_while_it_runs(cloud, folder):
    source = folder / "server.c"
    source.write_text(r"""
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    static char head[65536];
    for (;;) {
        int connection = accept(3, 0, 0);
        recv(connection, head, sizeof head, 0);
        fprintf(stderr, "canary-stderr of the server\n");
        const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        send(connection, answer, strlen(answer), MSG_NOSIGNAL);
        close(connection);
    }
}
""")
    program = folder / "server"
    subprocess.run(["clang-19", "-O1", "-static", "-o", str(program), str(source)], check=True)
    done = cloud.good("deploy", project(folder / "warm", "warm", "server", program), "--provider", "alice.decloud",
                      "--json")
    answer = http1.request(cloud.node(done.json["cid"]))
    expect_equal((answer.status, answer.text), (200, "hello"))
    found = wait_for("the server's stderr", lambda: entries(cloud, "warm"))
    expect_equal((found[0]["end"], found[0]["stderr"]), ("running", "canary-stderr of the server\n"))


def test_what_is_kept_is_bounded(cloud, folder):
    cid = deployed(cloud, folder, "chatty")
    in_threads(4, lambda part: [http1.request(cloud.node(cid, f"?{part}-{call}")) for call in range(30)])
    expect_equal(len(entries(cloud, "chatty")), 100)


def test_an_ended_deployment_has_no_logs(cloud, folder):
    cid = deployed(cloud, folder, "ended")
    http1.request(cloud.node(cid, "?one"))
    expect(entries(cloud, "ended"), "no logs")
    cloud.good("undeploy", "ended")
    done = cloud.cli("logs", cid)
    expect_equal(done.code, 3, str(done))
