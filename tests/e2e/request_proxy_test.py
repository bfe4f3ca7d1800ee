"""Clients behind an HTTP proxy: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` hold for every verb that calls."""

import http.client
import http.server
import urllib.parse

from harness import expect, expect_equal
from http_server import serving


class Proxy(http.server.BaseHTTPRequestHandler):
    """For which every name is a port of loopback; wants a password."""

    protocol_version = "HTTP/1.1"
    credentials = "Basic dTpw"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.server.asked.append(f"{self.command} {self.path}")
        if self.headers["Proxy-Authorization"] != self.credentials:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        connection = http.client.HTTPConnection("127.0.0.1", url.port)
        connection.putrequest(self.command, url.path + ("?" + url.query if url.query else ""), skip_host=True,
                              skip_accept_encoding=True)
        for name, value in self.headers.items():
            if not name.lower().startswith("proxy-") and name.lower() != "connection":
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST


def proxy():
    return serving(Proxy, asked=[])


def with_password(server, password="p"):
    return server.url.replace("//", f"//u:{password}@")


def behind(cloud, *arguments, **variables):
    return cloud.cli(*arguments, environment=cloud.environment | {"DECLOUD_HOME": str(cloud.home)} | variables)


def test_a_signed_request_goes_through_a_proxy_and_its_answer_is_verified(cloud):
    port = cloud.node_url.rsplit(":", 1)[1]
    node = f"http://node.test:{port}"
    with proxy() as server:
        done = behind(cloud, "request", node, "info.info", http_proxy=with_password(server))
        expect_equal(done.code, 0, done)
        expect(cloud.provider in done.out, done)
        expect(f"POST {node}/oc/v1/info/info" in server.asked, server.asked)
        expect("answer is signed" in behind(cloud, "request", "-v", node, "info.info", all_proxy=with_password(server)).err,
               "the answer's signature is checked")


def test_this_machine_and_no_proxy_are_asked_directly(cloud):
    with proxy() as server:
        done = behind(cloud, "request", cloud.node_url, "info.info", http_proxy=with_password(server))
        expect_equal(done.code, 0, done)
        done = behind(cloud, "request", "http://node.test:1", "info.info", http_proxy=with_password(server), no_proxy="x,.test")
        expect(done.code != 0 and "node.test" in done.err, done)
        expect_equal(server.asked, [], "what the proxy was asked")


def test_a_proxy_that_refuses_or_is_none_is_named(cloud):
    with proxy() as server:
        wrong = with_password(server, "hunter2")
        done = behind(cloud, "request", "http://node.test:1", "info.info", http_proxy=wrong)
        expect(done.code != 0 and "407" in done.err, done)
        expect("hunter2" not in done.out + done.err, done)
    done = behind(cloud, "request", "https://node.test", "info.info", HTTPS_PROXY="socks5://u:hunter2@127.0.0.1:1")
    expect(done.code != 0 and "https_proxy is not the address" in done.err and "hunter2" not in done.err, done)
