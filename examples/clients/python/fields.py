"""Structured fields (RFC 9651), as far as OpenCloud needs them."""

import base64
import re

STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
BYTES = re.compile(r":([A-Za-z0-9+/=]*):")
INTEGER = re.compile(r"-?\d{1,15}(?![\d.])")
TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")


class Token(str):
    """A bare word, which is written without quotes."""


class Reader:
    """Reads one field's value from left to right."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def take(self, pattern):
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def skip(self, words):
        found = self.text.startswith(words, self.at)
        self.at += len(words) * found
        return found

    def need(self, found):
        if not found:
            raise ValueError(f"not a structured field at {self.at}: {self.text}")
        return found

    def spaces(self):
        while self.skip(" ") or self.skip("\t"):
            pass

    def value(self):
        if match := self.take(STRING):
            return re.sub(r"\\(.)", r"\1", match[1])
        if match := self.take(BYTES):
            return base64.b64decode(match[1])
        if match := self.take(INTEGER):
            return int(match[0])
        if self.skip("?"):
            return self.need(self.take(re.compile("[01]")))[0] == "1"
        return Token(self.need(self.take(TOKEN))[0])

    def parameters(self):
        found = {}
        while self.skip(";"):
            self.spaces()
            key = self.need(self.take(KEY))[0]
            found[key] = self.value() if self.skip("=") else True
        return found

    def member(self):
        """(value, parameters); the value of an inner list is a list of such pairs."""
        if not self.skip("("):
            return self.value(), self.parameters()
        items = []
        while True:
            self.spaces()
            if self.skip(")"):
                return items, self.parameters()
            items.append((self.value(), self.parameters()))

    def members(self, read):
        self.spaces()
        while self.at < len(self.text):
            yield read()
            self.spaces()
            if self.at < len(self.text):
                self.need(self.skip(","))
                self.spaces()
                self.need(self.at < len(self.text))


def parse_list(text):
    reader = Reader(text)
    return list(reader.members(reader.member))


def parse_dictionary(text):
    reader = Reader(text)

    def entry():
        key = reader.need(reader.take(KEY))[0]
        return key, reader.member() if reader.skip("=") else (True, reader.parameters())

    return dict(reader.members(entry))


def write(value, parameters=None):
    """An item, or an inner list of (value, parameters), with its parameters."""
    if isinstance(value, list):
        text = "(" + " ".join(write(*each) for each in value) + ")"
    elif isinstance(value, bool):
        text = f"?{value:d}"
    elif isinstance(value, bytes):
        text = f":{base64.b64encode(value).decode()}:"
    elif isinstance(value, (int, Token)):
        text = str(value)
    else:
        text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text + "".join(f";{key}" if each is True else f";{key}={write(each)}"
                          for key, each in (parameters or {}).items())
