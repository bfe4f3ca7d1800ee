"""Of what tests/vectors/malformed_requests.json has, not one byte reaches the provider, whichever way it comes."""

import json
import pathlib
import tempfile

import http1
from edge import (DATA, END_HEADERS, END_STREAM, HEADERS, Gateway, Http2, Recorder, block, frame, make_certificate,
                  register)
from harness import expect, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = json.loads((ROOT / "tests" / "vectors" / "malformed_requests.json").read_text())
NAME = "recorder"
PATH = f"/p/{NAME}/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


def fill(text, host):
    return text.replace("{path}", PATH).replace("{host}", host)


def answer_to(connection, request):
    """(status or None, whether the connection ended)."""
    with http1.Connection(connection) as one:
        one.send(request)
        answer = one.response()
        return (answer and answer.status), one.closed()


def check_http1(gateway, recorder):
    wrong, host = [], f"localhost:{gateway.port}"
    for case in CORPUS["http1"]:
        before = len(recorder.received)
        status, closed = answer_to(gateway.connect("http/1.1"), fill(case["send"], host).encode("latin-1"))
        if status != case["outcome"] or not closed:
            wrong.append(f"{case['name']}: {status}{'' if closed else ', left open'}")
        if reached := recorder.reached(before):
            wrong.append(f"{case['name']}: reached the provider: {reached[-1][-200:]}")
    return wrong


def frames_of(case, host):
    fields = [(name, fill(value, host)) for name, value in case["fields"]]
    body, trailers = case.get("body"), case.get("trailers")
    last = END_STREAM if body is None else 0
    data = frame(HEADERS, END_HEADERS | last, 1, block(fields))
    if body is not None:
        data += frame(DATA, 0 if trailers else END_STREAM, 1, body.encode("latin-1"))
    if trailers:
        data += frame(HEADERS, END_HEADERS | END_STREAM, 1, block(trailers))
    return data


def check_http2(gateway, recorder):
    wrong, host = [], f"localhost:{gateway.port}"
    for case in CORPUS["http2"]:
        before = len(recorder.received)
        with Http2(gateway.connect("h2")) as connection:
            connection.send(frames_of(case, host))
            outcome = connection.outcome(1)
        if outcome in ("goaway", "closed"):
            outcome = "reset"
        if outcome not in case["outcome"]:
            wrong.append(f"{case['name']}: {outcome}")
        if reached := recorder.reached(before):
            wrong.append(f"{case['name']}: reached the provider: {reached[-1][-200:]}")
    return wrong


def check_good_requests(gateway, recorder):
    """That what is right does reach the provider, so that its silence says something."""
    host = f"localhost:{gateway.port}"
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    wait_for("the provider to be known",
             lambda: answer_to(gateway.connect("http/1.1"), request.encode())[0] == 200, 60)
    before = len(recorder.received)
    fields = [(":method", "GET"), (":scheme", "http"), (":path", PATH), (":authority", host)]
    with Http2(gateway.connect("h2")) as connection:
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields)))
        outcome = connection.outcome(1)
    expect(outcome == 200 and len(recorder.reached(before)) == 1, f"a good request: {outcome}")


def test_no_malformed_request_reaches_the_provider(cloud):
    with tempfile.TemporaryDirectory(prefix="decloud-smuggling-") as name:
        folder, recorder = pathlib.Path(name), Recorder()
        register(cloud, folder, NAME, recorder.url)
        wrong = []
        for tls in (None, make_certificate(folder)):
            with Gateway(cloud, folder / ("tls" if tls else "plain"), tls=tls) as gateway:
                check_good_requests(gateway, recorder)
                found = check_http1(gateway, recorder) + check_http2(gateway, recorder)
                wrong += [f"{'TLS' if tls else 'cleartext'}: {each}" for each in found]
        recorder.close()
        expect(not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong))
        expect(len(CORPUS["http1"]) >= 100 and len(CORPUS["http2"]) >= 60, "the corpus")
