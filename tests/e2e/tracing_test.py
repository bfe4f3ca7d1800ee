"""W3C trace context from a caller through gateway, tunnel and node to the program, and what the logs say of it."""

import re

import http1
from edge import Gateway
from harness import expect, expect_equal, probe, wait_for
from tunnel_test import OWNER, Tunnelled, fund

RECORDS = "access_log = true\ntraces_per_thousand = 1000\n"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def line_of(server, start, *parts):
    """The fields of the one line of a log that begins so and has all the parts."""
    def find():
        lines = [line for line in server.log().splitlines() if start in line and all(part in line for part in parts)]
        return lines and (lines,)

    (lines,) = wait_for(f"{start} {parts}", find, 30)
    expect_equal(len(lines), 1, lines)
    return dict(re.findall(r"(\w+)=(\S+)", lines[0]))


def test_a_trace_goes_from_caller_to_program_and_into_the_logs(cloud, folder):
    with Gateway(cloud, folder / "gateway", more=RECORDS) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        node = Tunnelled(cloud, folder, "tracy", [url], settings=RECORDS)
        wait_for("tracy to be reached", lambda: node.is_reached(url), 60)
        fund(cloud, node)
        cid = node.as_seen_by(cloud, url).upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
        call = f"{url}/p/{node.name}/{cid}?environment=1"
        seen = lambda answer: dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)

        answer = http1.request(call, headers=[("traceparent", f"00-{TRACE}-{CALLER}-01"), ("tracestate", "a=1,b=2")])
        expect_equal(answer.status, 200, answer.text)
        request = answer.header("X-Decloud-Request-Id")
        version, trace, span, flags = seen(answer)["HTTP_TRACEPARENT"].split("-")
        expect_equal((version, trace, flags, seen(answer)["HTTP_TRACESTATE"]), ("00", TRACE, "01", "a=1,b=2"))
        outer = line_of(gateway, "gateway trace=", TRACE, request)
        inner = line_of(node, "provider trace=", TRACE, request)
        expect_equal((outer["parent"], outer["span"], inner["span"]), (CALLER, inner["parent"], span), "a chain of spans")
        expect_equal(outer["status"], "200", outer)
        for server, where in ((gateway, "gateway status="), (node, "provider status=")):
            expect_equal(line_of(server, where, request)["trace"], TRACE, where)

        for wrong in ("nonsense", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01"):
            answer = http1.request(call, headers=[("traceparent", wrong), ("tracestate", "a=1")])
            found = seen(answer)
            trace = found["HTTP_TRACEPARENT"].split("-")[1]
            expect(trace != TRACE and re.fullmatch("[0-9a-f]{32}", trace), found)
            expect("HTTP_TRACESTATE" not in found, "the state of another trace")
            expect_equal(line_of(gateway, "gateway trace=", trace)["parent"], "-", "it begins there")
        node.stop()
