"""Gateways of their own, with TLS or without, and HTTP/2 frames as they are."""

import pathlib
import re
import socket
import ssl
import subprocess
import threading

from ethereum import Account
from harness import PROGRAM, clean_environment, ends_with_parent, expect_equal, run_program, wait_for


def make_certificate(folder, name="server"):
    """(certificate, key) of localhost and 127.0.0.1, that sign themselves."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", str(certificate),
         "-keyout", str(key)], check=True, capture_output=True)
    return certificate, key


def sections(cloud, *without):
    """The cloud's config.toml without some of its sections."""
    text = (cloud.home / "config" / "config.toml").read_text()
    for section in without:
        text = re.sub(rf"^\[{section}\]\n(.+\n)*", "", text, flags=re.MULTILINE)
    return text


class Server:
    """A `decloud … run` of a home, until it is left."""

    def __init__(self, home, *words):
        self.environment = clean_environment() | {"DECLOUD_HOME": str(home)}
        self.words, self.process, self.prefix = words, None, []
        self.log_file = pathlib.Path(home) / "log"

    def __enter__(self):
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [*self.prefix, PROGRAM, *self.words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, preexec_fn=ends_with_parent)
        self.port = int(wait_for(f"{self.words} to listen", self._listens, 60))
        return self

    def _listens(self):
        expect_equal(self.process.poll(), None, self.log())
        found = re.search(r"listens on [0-9.]+:(\d+)", self.log())
        return found and found.group(1)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Gateway(Server):
    """A gateway beside the cloud's own."""

    def __init__(self, cloud, home, tls=None, more="", listen="127.0.0.1:0"):
        home = pathlib.Path(home)
        (home / "config").mkdir(parents=True)
        text = sections(cloud, "gateway", "provider") + f'\n[gateway]\nlisten = "{listen}"\n' + \
            "allow_local_providers = true\n" + more
        if tls:
            text += f'tls_certificate = "{tls[0]}"\ntls_key = "{tls[1]}"\n'
        (home / "config" / "config.toml").write_text(text)
        super().__init__(home, "gateway", "run")
        self.secure = tls is not None

    def __enter__(self):
        super().__enter__()
        wait_for("the gateway to be ready", self._ready, 60)
        return self

    def _ready(self):
        with self.connect() as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(1000).startswith(b"HTTP/1.1 200")

    def connect(self, *protocols):
        """A socket to it, with TLS if it speaks that."""
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        if not self.secure:
            return plain
        context = ssl._create_unverified_context()
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context.wrap_socket(plain, server_hostname="localhost")


class Listener:
    """A server whose connections are each served by a thread, in `_serve`."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self):
        self.listener.close()


class Recorder(Listener):
    """Keeps what arrives, and answers each connection's first head."""

    def __init__(self):
        self.received = []
        super().__init__()

    def _serve(self, connection):
        kept = bytearray()
        self.received.append(kept)
        with connection:
            while data := connection.recv(65536):
                kept += data
                if b"\r\n\r\n" in kept:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                    return

    def reached(self, before=0):
        """What came by connections after the first `before`, but what nodes ask of their own accord who find it in the
        registry."""
        late = self.received[before:]
        wait_for("connections to say what they want", lambda: all(late), 20)
        return [bytes(each) for each in late if not each.startswith(b"POST /oc/v1/peers/")]


def register(cloud, folder, name, url):
    """A provider of that name at that URL, whose home is in the folder."""
    home = pathlib.Path(folder) / name
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(sections(cloud, "provider"))
    account = Account.fresh()
    environment = clean_environment() | {"DECLOUD_HOME": str(home)}
    done = run_program("account", "import", "provider", input=f"0x{account.secret:064x}\n".encode(),
                       environment=environment)
    expect_equal(done.code, 0, str(done))
    cloud.chain.rpc("anvil_setBalance", account.address, hex(10**19))
    done = run_program("provider", "register", name, "--url", url, "--price", "0.001", "--json",
                       environment=environment, timeout=120)
    expect_equal(done.code, 0, str(done))
    return home, account, done.json


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(fields):
    """Literals that enter no table: any bytes may be said."""
    out = bytearray()
    for name, value in fields:
        out.append(0)
        for text in (name, value):
            data = text.encode("latin-1")
            length = len(data)
            if length < 127:
                out.append(length)
            else:
                out.append(127)
                length -= 127
                while length >= 128:
                    out.append(length % 128 + 128)
                    length //= 128
                out.append(length)
            out += data
    return bytes(out)


class Http2:
    """A connection that sends frames as they are."""

    def __init__(self, connection):
        self.socket, self.buffer = connection, b""
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def next(self):
        """(type, flags, stream, payload); None at the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return None
            if not data:
                return None
            self.buffer += data
        size = int.from_bytes(self.buffer[:3], "big")
        head, payload = self.buffer[:9], self.buffer[9:9 + size]
        self.buffer = self.buffer[9 + size:]
        return head[3], head[4], int.from_bytes(head[5:9], "big"), payload

    def outcome(self, stream):
        """What becomes of a stream: its status, "reset", "goaway" or "closed"."""
        while one := self.next():
            if one[0] == HEADERS and one[2] == stream:
                return status_of(one[3])
            if one[0] == RST_STREAM and one[2] == stream:
                return "reset"
            if one[0] == GOAWAY:
                return "goaway"
        return "closed"


# Index of :status in HPACK's static table.
STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}


def status_of(payload):
    """The status, which is the first field of an answer."""
    if payload[0] & 0x80:
        return STATUSES[payload[0] & 0x7f]
    text = payload[2:2 + (payload[1] & 0x7f)]
    if not payload[1] & 0x80:
        return int(text)
    # Huffman's code of digits: 0 to 2 have five bits, the others six, from 011001.
    bits, digits = "".join(f"{byte:08b}" for byte in text), ""
    while len(digits) < 3:
        width = 5 if int(bits[:5], 2) <= 2 else 6
        code, bits = int(bits[:width], 2), bits[width:]
        digits += str(code if width == 5 else code - 0b011001 + 3)
    return int(digits)
