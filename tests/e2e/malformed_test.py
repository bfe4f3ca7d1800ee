"""Malformed HTTP is answered 400 and the connection closed, at the gateway and at the node, and costs nothing."""

import http1
from harness import expect, expect_equal


def get(line="GET {path} HTTP/1.1", fields="Host: {host}\r\n", end="\r\n"):
    return line + "\r\n" + fields + end


def post(fields, body=""):
    return get("POST {path} HTTP/1.1", "Host: {host}\r\n" + fields, "\r\n" + body)


def chunked(body):
    return post("Transfer-Encoding: chunked\r\n", body)


CASES = {
    "two spaces before the target": get("GET  {path} HTTP/1.1"),
    "a tab as separator": get("GET\t{path} HTTP/1.1"),
    "a space in the target": get("GET {path} x HTTP/1.1"),
    "a fragment in the target": get("GET {path}#x HTTP/1.1"),
    "a byte above 0x7f in the target": get("GET {path}\xe4 HTTP/1.1"),
    "no version": get("GET {path}"),
    "a version in lower case": get("GET {path} http/1.1"),
    "version 1.01": get("GET {path} HTTP/1.01"),
    "a bad method": get("G(T {path} HTTP/1.1"),
    "bare LFs": "GET {path} HTTP/1.1\nHost: {host}\n\n",
    "a bare LF after a field": get(fields="Host: {host}\r\nX: a\nY: b\r\n"),
    "a bare CR in a value": get(fields="Host: {host}\r\nX: a\rb\r\n"),
    "a NUL in a value": get(fields="Host: {host}\r\nX: a\0b\r\n"),
    "no Host": get(fields="X: y\r\n"),
    "two Hosts": get(fields="Host: {host}\r\nHost: {host}\r\n"),
    "an empty Host": get(fields="Host:\r\n"),
    "user information in Host": get(fields="Host: x@{host}\r\n"),
    "a space before the colon": get(fields="Host: {host}\r\nX : y\r\n"),
    "a folded field": get(fields="Host: {host}\r\nX: y\r\n z\r\n"),
    "a space before the first field": get(fields=" Host: {host}\r\n"),
    "an empty field name": get(fields="Host: {host}\r\n: y\r\n"),
    "a field without a colon": get(fields="Host: {host}\r\nX\r\n"),
    "a length and an encoding": post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "gzip, then a length": post("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", "x"),
    "xchunked": post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    "chunked, identity": post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    "chunked twice": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "a vertical tab before chunked": post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
    "chunked in HTTP/1.0": get("POST {path} HTTP/1.0", "Host: {host}\r\nTransfer-Encoding: chunked\r\n",
                               "\r\n0\r\n\r\n"),
    "two lengths": post("Content-Length: 1\r\nContent-Length: 2\r\n", "xx"),
    "the length twice": post("Content-Length: 1\r\nContent-Length: 1\r\n", "x"),
    "a list of lengths": post("Content-Length: 1, 1\r\n", "x"),
    "a signed length": post("Content-Length: +1\r\n", "x"),
    "a hexadecimal length": post("Content-Length: 0x1\r\n", "x"),
    "a length beyond 64 bits": post("Content-Length: 18446744073709551617\r\n", "x"),
    "an empty length": post("Content-Length:\r\n", "x"),
    "a chunk size with 0x": chunked("0x1\r\na\r\n0\r\n\r\n"),
    "a signed chunk size": chunked("+1\r\na\r\n0\r\n\r\n"),
    "a space after the chunk size": chunked("1 \r\na\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": chunked("10000000000000001\r\na\r\n0\r\n\r\n"),
    "no CRLF after a chunk": chunked("1\r\nab0\r\n\r\n"),
    "a bare LF after a chunk": chunked("1\r\na\n0\r\n\r\n"),
}


def send(url, text):
    host = url.split("/")[2]
    request = text.replace("{path}", http1.target_of(url)).replace("{host}", host).encode("latin-1")
    with http1.Connection(http1.address_of(url), 10) as connection:
        connection.send(request)
        answer = connection.response()
        expect(answer is not None, "closed without an answer")
        return answer, connection.closed()


def check_all(cloud, url):
    wrong = []
    with cloud.costs(0):
        for name, text in CASES.items():
            answer, closed = send(url, text)
            if answer.status != 400 or not closed or not answer.complete:
                wrong.append(f"{name}: {answer.status}{'' if closed else ', left open'}")
    expect(not wrong, "\n".join(wrong))


def test_the_gateway_answers_400_and_closes(cloud):
    check_all(cloud, cloud.gateway(cloud.cid("hello")))


def test_the_node_answers_400_and_closes(cloud):
    check_all(cloud, cloud.node(cloud.cid("hello")))


def test_nothing_after_a_malformed_request_is_read(cloud):
    for url in (cloud.gateway(cloud.cid("hello")), cloud.node(cloud.cid("hello"))):
        hidden = f"GET {http1.target_of(url)} HTTP/1.1\r\nHost: {url.split('/')[2]}\r\n\r\n"
        with cloud.costs(0):
            answer, closed = send(url, post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden))
            expect_equal((answer.status, closed), (400, True), url)


def test_requests_on_one_connection_are_answered_in_order(cloud):
    for url in (cloud.gateway(cloud.cid("hello")), cloud.node(cloud.cid("hello"))):
        host, target = url.split("/")[2], http1.target_of(url)
        with cloud.costs(2000), http1.Connection(http1.address_of(url)) as connection:
            connection.send(http1.request_bytes("GET", target, host) + http1.request_bytes("GET", "/none.txt", host) +
                            http1.request_bytes("GET", target, host))
            expect_equal([connection.response().status for _ in range(3)], [200, 404, 200], url)


def test_headers_too_large_are_431_and_a_target_too_long_414(cloud):
    for url in (cloud.gateway(cloud.cid("hello")), cloud.node(cloud.cid("hello"))):
        with cloud.costs(0):
            answer, closed = send(url, get(fields="Host: {host}\r\nX: " + "x" * 70_000 + "\r\n"))
            expect_equal((answer.status, closed), (431, True), url)
            answer, closed = send(url, get(fields="Host: {host}\r\n" + "X: y\r\n" * 300))
            expect_equal((answer.status, closed), (431, True), url)
            answer, closed = send(url, get("GET {path}?" + "x" * 20_000 + " HTTP/1.1"))
            expect_equal((answer.status, closed), (414, True), url)


def test_trace_is_405_before_anything_else(cloud):
    for url in (cloud.gateway(cloud.cid("hello")), cloud.node(cloud.cid("hello")), cloud.gateway_url + "/none",
                cloud.console_url + "/metrics"):
        with cloud.costs(0):
            answer, closed = send(url, get("TRACE {path} HTTP/1.1", fields="Host: {host}\r\nCookie: secret\r\n"))
            expect_equal((answer.status, closed), (405, True), url)
            expect("secret" not in answer.text and answer.headers, f"{url}: {answer.text}")
