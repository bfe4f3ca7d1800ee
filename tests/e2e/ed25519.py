"""Ed25519 (RFC 8032) and its did:key in plain Python: slow, for tests only."""

import hashlib
import os

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _recover_x(y, odd):
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME:
        raise ValueError("no point of the curve")
    return PRIME - x if x & 1 != odd else x


def _point(x, y):
    return x, y, 1, x * y % PRIME


BASE_Y = 4 * pow(5, -1, PRIME) % PRIME
BASE = _point(_recover_x(BASE_Y, 0), BASE_Y)


def _add(one, two):
    a = (one[1] - one[0]) * (two[1] - two[0]) % PRIME
    b = (one[1] + one[0]) * (two[1] + two[0]) % PRIME
    c, d = 2 * one[3] * two[3] * D % PRIME, 2 * one[2] * two[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _multiply(point, factor):
    total = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _add(total, point)
        point, factor = _add(point, point), factor >> 1
    return total


def _compress(point):
    inverse = pow(point[2], -1, PRIME)
    x, y = point[0] * inverse % PRIME, point[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(raw):
    number = int.from_bytes(raw, "little")
    y = number & ((1 << 255) - 1)
    return _point(_recover_x(y, number >> 255), y)


def _hash(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class Key:
    def __init__(self, seed=None):
        half = hashlib.sha512(seed or os.urandom(32)).digest()
        self.scalar = int.from_bytes(half[:32], "little") & ((1 << 254) - 8) | 1 << 254
        self.prefix = half[32:]
        self.public = _compress(_multiply(BASE, self.scalar))
        number, text = int.from_bytes(b"\xed\x01" + self.public, "big"), ""
        while number:
            number, digit = divmod(number, 58)
            text = ALPHABET[digit] + text
        self.id = "did:key:z" + text

    def sign(self, message):
        nonce = _hash(self.prefix, message) % ORDER
        point = _compress(_multiply(BASE, nonce))
        return point + ((nonce + _hash(point, self.public, message) * self.scalar) % ORDER).to_bytes(32, "little")


def public_of(did):
    """The 32 bytes of a did:key."""
    number = 0
    for letter in did.removeprefix("did:key:z"):
        number = number * 58 + ALPHABET.index(letter)
    raw = number.to_bytes(34, "big")
    if raw[:2] != b"\xed\x01":
        raise ValueError(f"no Ed25519 key: {did}")
    return raw[2:]


def verify(public, signature, message):
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    right = _add(_decompress(signature[:32]), _multiply(_decompress(public), _hash(signature[:32], public, message)))
    return _compress(_multiply(BASE, scalar)) == _compress(right)
