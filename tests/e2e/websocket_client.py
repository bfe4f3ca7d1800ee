#!/usr/bin/python3
"""websocket_client.py http1|http2|stay URL: speaks to an echo as Debian's python3-websockets does, or by RFC 8441 as its
python3-h2 and python3-wsproto do; or says hello and stays until it is closed. Prints what it saw as JSON."""

import asyncio
import json
import os
import socket
import ssl
import sys
import urllib.parse

BLOCK = os.urandom(200_000)
DEADLINE = 60


async def over_http1(url):
    import websockets

    context = ssl._create_unverified_context() if url.startswith("https") else None
    address = "ws" + url.removeprefix("http")
    try:
        async with websockets.connect(address, subprotocols=["chat"], ssl=context, open_timeout=DEADLINE,
                                      ping_interval=None, compression=None) as connection:
            seen = {"subprotocol": connection.subprotocol, "echoes": []}
            for message in ("hello", "", BLOCK, ["in ", "three ", "parts"]):
                await connection.send(message)
                answer = await asyncio.wait_for(connection.recv(), DEADLINE)
                seen["echoes"].append(answer == (message if isinstance(message, (str, bytes)) else "".join(message)))
            await asyncio.wait_for(await connection.ping(), DEADLINE)
            await asyncio.wait_for(connection.close(4321, "bye"), DEADLINE)
            return seen | {"close": [connection.close_code, connection.close_reason]}
    except websockets.exceptions.InvalidStatusCode as refusal:
        return {"status": refusal.status_code}


async def stay(url):
    import websockets

    async with websockets.connect("ws" + url.removeprefix("http"), open_timeout=DEADLINE, ping_interval=None,
                                  compression=None) as connection:
        await connection.send("hello")
        seen = {"interval": connection.response_headers.get("OpenCloud-Interval"), "echo": await connection.recv()}
        await asyncio.wait_for(connection.wait_closed(), 2 * DEADLINE)
        return seen | {"close": [connection.close_code, connection.close_reason]}


class Http2:
    """One extended CONNECT, and the bytes of its stream."""

    def __init__(self, url):
        import h2.config
        import h2.connection
        import h2.events
        import h2.settings

        self.events, parts = h2.events, urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), DEADLINE)
        if parts.scheme == "https":
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.connection.initiate_connection()
        self.flush()
        allowed = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        self.body, self.status, self.ended, self.headers = b"", None, False, {}
        while not self.connection.remote_settings.get(allowed):
            self.receive()
        self.stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(self.stream, [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", parts.scheme), (":path", parts.path),
            (":authority", parts.netloc), ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat")])
        self.flush()
        while self.status is None:
            self.receive()

    def flush(self):
        self.socket.sendall(self.connection.data_to_send())

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("the connection has ended")
        for event in self.connection.receive_data(data):
            if isinstance(event, self.events.ResponseReceived):
                self.headers = dict(event.headers)
                self.status = int(self.headers[":status"])
            elif isinstance(event, self.events.DataReceived):
                self.body += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, self.events.StreamEnded):
                self.ended = True
            elif isinstance(event, (self.events.StreamReset, self.events.ConnectionTerminated)):
                raise EOFError(f"{event}")
        self.flush()

    def take(self):
        taken, self.body = self.body, b""
        return taken

    def send(self, data):
        while data:
            window = min(self.connection.local_flow_control_window(self.stream),
                         self.connection.max_outbound_frame_size)
            if window <= 0:
                self.receive()
                continue
            self.connection.send_data(self.stream, data[:window])
            data = data[window:]
            self.flush()

    def end(self):
        """Both directions."""
        self.connection.end_stream(self.stream)
        self.flush()
        while not self.ended:
            self.receive()


def over_http2(url):
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

    stream = Http2(url)
    if stream.status != 200:
        return {"status": stream.status}
    frames = Connection(ConnectionType.CLIENT)
    arrived = []

    def next_of(kinds):
        """The next event of such a kind; a message in parts becomes one."""
        data = None
        while True:
            while arrived:
                event = arrived.pop(0)
                if isinstance(event, kinds):
                    if not hasattr(event, "message_finished"):
                        return event
                    data = event.data if data is None else data + event.data
                    if event.message_finished:
                        return data
            stream.receive() if not stream.body else None
            if taken := stream.take():
                frames.receive_data(taken)
                arrived.extend(frames.events())

    seen = {"subprotocol": stream.headers.get("sec-websocket-protocol"), "echoes": [],
            "accept": stream.headers.get("sec-websocket-accept")}
    for message in ("hello", "", BLOCK):
        kind = TextMessage if isinstance(message, str) else BytesMessage
        stream.send(frames.send(kind(data=message)))
        seen["echoes"].append(next_of(kind) == message)
    for part, last in (("in ", False), ("three ", False), ("parts", True)):
        stream.send(frames.send(TextMessage(data=part, message_finished=last)))
    seen["echoes"].append(next_of(TextMessage) == "in three parts")
    stream.send(frames.send(Ping(payload=b"p")))
    next_of(Pong)
    stream.send(frames.send(CloseConnection(code=4321, reason="bye")))
    close = next_of(CloseConnection)
    stream.end()
    return seen | {"close": [close.code, close.reason]}


def main():
    kind, url = sys.argv[1:]
    print(json.dumps(over_http2(url) if kind == "http2" else asyncio.run({"http1": over_http1, "stay": stay}[kind](url))))


main()
