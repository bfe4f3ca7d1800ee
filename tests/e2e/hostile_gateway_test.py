"""What a gateway that belongs to a stranger can do: each sentence of docs/gateway.md about it."""

import base64
import contextlib
import json
import re
import socket

import http1
from edge import Listener
from ethereum import development_account
from harness import PRICE, Failure, expect, expect_equal, probe, project
from opencloud_test import Signed, hello, is_signed_by_the_node, nonces
from providers_test import Bob
from windows_test import Payer, function, spent

CALLER = development_account(6)
CANARY = "a canary that only the program may see"


class Message:
    """A request or answer as it is on the wire."""

    def __init__(self, stream, bodyless=False):
        self.head = b""
        while line := stream.readline():
            self.head += line
            if line == b"\r\n":
                break
        length = self.field("Content-Length")
        self.body = b""
        if bodyless or not self.head or re.match(rb"HTTP/1.1 (204|304)", self.head):
            return
        if length is not None:
            self.body = stream.read(int(length))
        elif (self.field("Transfer-Encoding") or b"").lower() == b"chunked":
            self.body = chunks(stream)
        elif self.head.startswith(b"HTTP/"):
            self.body = stream.read()

    def field(self, name):
        found = re.search(rb"(?im)^" + name.encode() + rb": *(.*?)\r$", self.head)
        return found and found.group(1)

    def remove(self, name):
        self.head = re.sub(rb"(?im)^" + name.encode() + rb":.*\r\n", b"", self.head)

    def bytes(self):
        return self.head + self.body


def chunks(stream):
    """A chunked body with its framing."""
    body = b""
    while True:
        line = stream.readline()
        body += line
        size = int(line.split(b";")[0], 16)
        if size:
            body += stream.read(size + 2)
            continue
        while line not in (b"", b"\r\n"):
            line = stream.readline()
            body += line
            if line == b"\r\n":
                return body
        line = stream.readline()
        return body + line


class HostileGateway(Listener):
    """Passes on what it gets, keeps all of it, and changes what it is told to."""

    def __init__(self, node=None):
        self.node, self.seen = node, bytearray()
        self.change_request = self.change_answer = lambda message: None
        super().__init__()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _serve(self, connection):
        # Others ask it of their own accord, also before there is a node and after.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while self._begin(connection, stream) and self.node is not None:
                request = Message(stream)
                self.seen += request.bytes()
                self.change_request(request)
                answer = self._ask(request)
                self.seen += answer.bytes()
                self.change_answer(answer)
                connection.sendall(answer.bytes())
                if answer.field("Connection") == b"close" or b"Content-Length" not in answer.head:
                    return

    def _begin(self, connection, stream):
        """Has who waits for it go on; false if nothing more comes."""
        head = stream.peek(1)
        if b"100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return bool(head)

    def _ask(self, request):
        request.remove("Expect")
        with socket.create_connection(http1.address_of(self.node), 60) as connection:
            connection.sendall(request.bytes())
            with connection.makefile("rb") as stream:
                return Message(stream, request.head.startswith(b"HEAD "))


def echo(cloud):
    if not hasattr(cloud, "echo_cid"):
        cloud.echo_cid = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()})
        cloud.fund(CALLER, 20 * PRICE)
    return cloud.echo_cid


def test_it_sees_requests_and_answers_but_no_secret_of_a_deployment(cloud, folder):
    with HostileGateway() as gateway:
        gwen = Bob(cloud, folder, "gwen", registered=gateway.url)
        gateway.node = gwen.url
        cloud.good("escrow", "approve", "gwen.decloud", "--price", "0.001", "--budget", "0.1")
        cloud.good("secret", "set", "sealed", "TOKEN", input=CANARY.encode())
        made = cloud.good("deploy", project(folder / "sealed", "sealed"), "--provider", "gwen.decloud", "--json")
        expect(b" /oc/v1/content/import" in gateway.seen, "the deployment did not pass by it")
        cid = made.json["cid"]
        held = http1.request(f"{gateway.url}/ipfs/{cid}?format=raw").body
        expect(CANARY.encode() not in gateway.seen + held, "it saw the secret")
        answer = http1.request(f"{gateway.url}/{cid}?environment=1")
        expect(f"TOKEN={CANARY}\n" in answer.text, f"the program has it: {answer.status} {answer.text}")
        expect(CANARY.encode() in gateway.seen, "answers are seen")
        gwen.stop()


def raise_price(request):
    def higher(found):
        before = json.dumps(json.loads(base64.b64decode(found.group(1))))
        text = before.replace(f'"maxPrice": {PRICE}', f'"maxPrice": {PRICE * 100}')
        expect(text != before, f"no price in {before}")
        return b"payload=:" + base64.b64encode(text.encode()) + b":"

    request.head = re.sub(rb"payload=:(.*?):", higher, request.head)


def replace(old, new, part="head"):
    def change(message):
        before = getattr(message, part)
        expect(old in before, f"no {old} in {before}")
        setattr(message, part, before.replace(old, new))

    return change


def test_a_request_that_it_changes_is_refused_and_costs_nothing(cloud):
    cid = echo(cloud)
    with HostileGateway(cloud.node_url) as gateway:
        url = f"{gateway.url}/{cid}?echo=1"
        for what, change in {"body": replace(b"for you", b"FOR YOU", "body"), "query": replace(b"?echo=1", b"?echo=2"),
                             "path": replace(b"?echo=1", b"/other?echo=1"), "method": replace(b"POST ", b"PUT "),
                             "price": raise_price}.items():
            gateway.change_request = change
            with cloud.costs(0, CALLER.address):
                answer = cloud.pay(CALLER, url, body=b"for you")
                expect(answer.status in (401, 402, 403), f"{what}: {answer.status} {answer.text}")
        gateway.change_request = lambda message: None
        with cloud.costs(PRICE, CALLER.address):
            answer = cloud.pay(CALLER, url, body=b"for you")
            expect_equal((answer.status, answer.body), (200, b"for you"), answer.text)


def test_a_request_that_it_repeats_is_charged_once(cloud):
    cid, kept = echo(cloud), []
    with HostileGateway(cloud.node_url) as gateway, cloud.costs(PRICE, CALLER.address):
        gateway.change_request = lambda message: kept.append(message.bytes())
        answer = cloud.pay(CALLER, f"{gateway.url}/{cid}?echo=1", body=b"once")
        expect_equal((answer.status, answer.body), (200, b"once"), answer.text)
        for _ in range(5):
            with socket.create_connection(http1.address_of(cloud.node_url), 30) as connection:
                connection.sendall(kept[0])
                expect(connection.recv(4096).startswith(b"HTTP/1.1 "), "no answer")


def test_it_cannot_spend_a_window_that_passes_by_it(cloud):
    made = Payer(cloud)
    cid = function(cloud)
    with HostileGateway(cloud.node_url) as gateway:
        url = f"{gateway.url}/{cid}?echo=1"
        answer = made.send(url, b"mine", **made.window(), **made.voucher(100 * PRICE))
        expect_equal((answer.status, answer.body), (200, b"mine"), answer.text)
        seen, used = made.header, made.next - 1
        before = spent(made)
        for sequence in (used + 1, used + 7):
            header = seen.replace(f"sequence={used}", f"sequence={sequence}")
            expect(header != seen, header)
            for body in (b"mine", b"not mine"):
                answer = http1.request(cloud.node(cid, "?echo=1"), "POST", [("OpenCloud-Payment", header)], body)
                expect_equal(answer.status, 401, answer.text)
        expect_equal(spent(made), before, "spent")


def test_a_signed_answer_that_it_changes_is_noticed(cloud):
    known = nonces(cloud)
    with HostileGateway(cloud.node_url) as gateway:
        changes = {"nothing": lambda message: None, "body": replace(b"hello", b"HELLO", "body"),
                   "status": replace(b" 200 ", b" 203 "), "answer to another": replace(b"OpenCloud-Request: :", b"OpenCloud-Request: :A")}
        for what, gateway.change_answer in changes.items():
            request = Signed(cloud, hello(cloud), nonces=known)
            request.answer = http1.request(gateway.url + request.target, "GET", request.headers)
            try:
                is_signed_by_the_node(request)
                expect_equal(what, "nothing", "it passed for signed")
            except Failure as noticed:
                expect(what != "nothing" and "passed for signed" not in str(noticed), f"{what}: {noticed}")
            known = nonces(cloud)


def test_the_command_line_refuses_an_answer_that_it_changed(cloud):
    def change(answer):
        if answer.field("OpenCloud-Request"):
            answer.body = answer.body.replace(b":", b";", 1)

    with HostileGateway(cloud.node_url) as gateway:
        cloud.good("request", gateway.url, "info.info")
        gateway.change_answer = change
        done = cloud.cli("request", gateway.url, "info.info")
        expect(done.code == 1 and "the body is another" in done.err, str(done))
