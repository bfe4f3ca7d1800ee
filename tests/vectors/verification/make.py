#!/usr/bin/env python3
"""Makes vectors.json: requests and answers in the canonical CBOR that verifiers get, by an encoder of its own."""

import json
import pathlib


def head(major, number):
    for size, mark in ((0, None), (1, 24), (2, 25), (4, 26), (8, 27)):
        if mark is None and number < 24:
            return bytes([major << 5 | number])
        if mark is not None and number < 1 << 8 * size:
            return bytes([major << 5 | mark]) + number.to_bytes(size, "big")
    raise ValueError(number)


def encode(value):
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    entries = sorted(((key.encode(), item) for key, item in value.items()), key=lambda entry: (len(entry[0]), entry[0]))
    return head(5, len(entries)) + b"".join(head(3, len(key)) + key + encode(item) for key, item in entries)


def request(method="GET", path="/", query="", type="", body=b""):
    return {"method": method, "path": path, "query": query, "type": type, "body": body}


def response(status=200, type="text/plain", body=b""):
    return {"status": status, "type": type, "body": body}


CASES = [
    ("nothing", [], []),
    ("a request and three answers", [request(query="arg=2&arg=3&arg=%2B")],
     [response(body=b"5"), response(body=b"5"), response(body=b"6")]),
    ("bodies", [request("POST", "/sum", "", "application/octet-stream", bytes(range(256)))],
     [response(500, "", b""), response(404, "application/json", b"{}" * 40)]),
    ("texts that are not ASCII", [request(path="/größe/\u4e16\u754c")], [response(type="text/plain; charset=utf-8")]),
    ("lengths at the edges of the forms", [request(body=b"x" * size) for size in (23, 24, 255, 256, 1000)],
     [response(status=status) for status in (100, 200, 255, 256, 599)]),
]


def listed(items):
    return [{key: value.hex() if isinstance(value, bytes) else value for key, value in item.items()} for item in items]


def main():
    vectors = [{"name": name, "requests": listed(requests), "responses": listed(responses),
                "requestsCbor": encode(requests).hex(), "responsesCbor": encode(responses).hex()}
               for name, requests, responses in CASES]
    path = pathlib.Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
