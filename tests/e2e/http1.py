"""An HTTP/1.1 client that shows everything: bytes go out as given, and an answer tells whether it was complete."""

import base64
import dataclasses
import hashlib
import json
import socket
import time
import urllib.parse

DEADLINE = 30


@dataclasses.dataclass
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    complete: bool = False
    first_byte_after: float = 0.0
    seconds: float = 0.0
    interim: list[int] = dataclasses.field(default_factory=list)

    def header(self, name):
        return next((value for key, value in [*self.headers, *self.trailers] if key.lower() == name.lower()), None)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def receipt(self):
        return self.header("X-Decloud-Receipt")


class Connection:
    """One connection, to be used again as long as the other side keeps it."""

    def __init__(self, address, timeout=DEADLINE):
        if isinstance(address, socket.socket):
            self.socket = address
        elif isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.buffer += data
        return bool(data)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                return None
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def _exactly(self, count, into):
        while count:
            if not self.buffer and not self._more():
                return False
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            into.body += part
            count -= len(part)
        return True

    def _fields(self):
        fields = []
        while (line := self._until(b"\r\n")) != b"":
            if line is None:
                return None
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name, value.strip()))
        return fields

    def head(self):
        """The next answer's head, interim answers (1xx) noted; None if the connection ended before one."""
        interim = []
        while True:
            line = self._until(b"\r\n")
            if line is None:
                return None
            fields = self._fields()
            if fields is None:
                return None
            response = Response(int(line.split()[1]), fields, interim=interim)
            if response.status >= 200 or response.status == 101:
                return response
            interim.append(response.status)

    def response(self, method="GET"):
        start = time.monotonic()
        response = self.head()
        if response is None:
            return None
        response.first_byte_after = time.monotonic() - start
        response.complete = self._body(response, method)
        response.seconds = time.monotonic() - start
        return response

    def _body(self, response, method):
        if method == "HEAD" or response.status in (204, 304):
            return True
        if (response.header("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                line = self._until(b"\r\n")
                if not line:
                    return False
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    trailers = self._fields()
                    response.trailers = trailers or []
                    return trailers is not None
                if not self._exactly(size, response) or self._until(b"\r\n") is None:
                    return False
        length = response.header("Content-Length")
        if length is not None:
            return self._exactly(int(length), response)
        while self.buffer or self._more():
            response.body, self.buffer = response.body + self.buffer, b""
        return True

    def closed(self):
        """True once the other side has closed and nothing more came."""
        return not self.buffer and not self._more()


def request_bytes(method, target, host, headers=(), body=b"", length=True):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers.items() if isinstance(headers, dict) else headers)]
    if length and (body or method in ("POST", "PUT", "PATCH")):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    host = "127.0.0.1" if parts.hostname.endswith("localhost") else parts.hostname
    return host, parts.port or 80


def target_of(url):
    parts = urllib.parse.urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def request(url, method=None, headers=(), body=b"", timeout=DEADLINE):
    """One request on a connection of its own."""
    method = method or ("POST" if body else "GET")
    host = urllib.parse.urlsplit(url).netloc
    with Connection(address_of(url), timeout) as connection:
        try:
            connection.send(request_bytes(method, target_of(url), host, headers, body))
        except ConnectionError:
            pass  # an early answer and a close, which the answer explains
        response = connection.response(method)
    if response is None:
        raise ConnectionError(f"{method} {url}: no answer")
    return response


def unix_request(path, method, target, body=b"", timeout=DEADLINE):
    with Connection(path, timeout) as connection:
        connection.send(request_bytes(method, target, "localhost", (), body))
        response = connection.response(method)
    if response is None:
        raise ConnectionError(f"{method} {target}: no answer")
    return response


def content_digest(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
