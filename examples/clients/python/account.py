"""An Ethereum account that pays for calls: Keccak-256, EIP-712 and EIP-191, over the secp256k1 of `cryptography`."""

import os
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

MASK = (1 << 64) - 1
PRIME = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
             0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def permute(lanes):
    """Keccak-f[1600] over lanes[x][y]."""
    register = 1
    for _ in range(24):
        columns = [a ^ b ^ c ^ d ^ e for a, b, c, d, e in lanes]
        mixed = [columns[x - 1] ^ rotate(columns[(x + 1) % 5], 1) for x in range(5)]
        lanes = [[lane ^ mixed[x] for lane in lanes[x]] for x in range(5)]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], rotate(current, (step + 1) * (step + 2) // 2 % 64)
        lanes = [[lanes[x][y] ^ (~lanes[(x + 1) % 5][y] & lanes[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
        for bit in range(7):
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
            if register & 2:
                lanes[0][0] ^= 1 << ((1 << bit) - 1)
    return lanes


def rotate(word, count):
    return ((word << count) | (word >> (64 - count))) & MASK


def keccak(data):
    data = bytearray(data) + b"\x01"
    data += bytes(-len(data) % 136)
    data[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for block in range(0, len(data), 136):
        for i in range(17):
            lanes[i % 5][i // 5] ^= int.from_bytes(data[block + 8 * i:block + 8 * i + 8], "little")
        lanes = permute(lanes)
    return b"".join(lanes[i][0].to_bytes(8, "little") for i in range(4))


def add(one, two):
    """The sum of two points of secp256k1; only public points come here."""
    if one is None or two is None:
        return one or two
    (x, y), (u, v) = one, two
    if x == u:
        if (y + v) % PRIME == 0:
            return None
        slope = 3 * x * x * pow(2 * y, -1, PRIME) % PRIME
    else:
        slope = (v - y) * pow(u - x, -1, PRIME) % PRIME
    across = (slope * slope - x - u) % PRIME
    return across, (slope * (x - across) - y) % PRIME


def multiply(point, factor):
    total = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point, factor = add(point, point), factor >> 1
    return total


def word(value):
    """One ABI word of a number, an address or 32 bytes."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    raw = value if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))
    return raw.rjust(32, b"\0")


def address_of(point):
    return "0x" + keccak(word(point[0]) + word(point[1]))[12:].hex()


def typed_digest(chain_id, escrow, kind, words):
    """EIP-712's digest of a struct in decloud's domain; `kind` is its type as it is hashed."""
    domain = keccak(
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)") +
        keccak(b"decloud") + keccak(b"1") + word(chain_id) + word(escrow))
    return keccak(b"\x19\x01" + domain + keccak(keccak(kind) + b"".join(word(each) for each in words)))


def recover(digest, r, s, is_odd):
    """The public point whose signature this is."""
    root = pow(r**3 + 7, (PRIME + 1) // 4, PRIME)
    if root * root % PRIME != (r**3 + 7) % PRIME:
        raise ValueError("no signature of secp256k1")
    y = root if root & 1 == is_odd else PRIME - root
    inverse = pow(r, -1, ORDER)
    message = multiply(GENERATOR, -int.from_bytes(digest, "big") * inverse % ORDER)
    return add(multiply((r, y), s * inverse % ORDER), message)


def signer_of(digest, signature):
    """The address that made 65 bytes of r, s and v, in hex."""
    raw = bytes.fromhex(signature.removeprefix("0x"))
    return address_of(recover(digest, int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64] - 27))


class Account:
    def __init__(self, secret):
        """`secret` is the private key, a number or hex digits."""
        number = secret if isinstance(secret, int) else int(secret.removeprefix("0x"), 16)
        self.key = ec.derive_private_key(number, ec.SECP256K1())
        numbers = self.key.public_key().public_numbers()
        self.point = numbers.x, numbers.y
        self.address = address_of(self.point)

    def sign(self, digest):
        """65 bytes as hex: r, s and which of two keys it is."""
        r, s = utils.decode_dss_signature(self.key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
        s = min(s, ORDER - s)
        is_odd = recover(digest, r, s, 1) == self.point
        return "0x" + (word(r) + word(s) + bytes([27 + is_odd])).hex()

    def sign_text(self, text):
        """EIP-191, which wallets call personal_sign."""
        data = text.encode()
        return self.sign(keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data))

    def call_authorization(self, chain_id, escrow, provider, request_digest, max_price):
        """The JSON that is the payload of `attached;method="authorization"`."""
        nonce, valid_before = os.urandom(32), int(time.time()) + 300
        digest = typed_digest(
            chain_id, escrow, b"CallAuthorization(address payer,address provider,bytes32 requestDigest,uint128 maxPrice,"
            b"bytes32 nonce,uint64 validBefore)",
            [self.address, provider, request_digest, max_price, nonce, valid_before])
        return {
            "payer": self.address, "provider": provider, "requestDigest": "0x" + request_digest.hex(),
            "maxPrice": max_price if max_price <= 2**53 else str(max_price), "nonce": "0x" + nonce.hex(),
            "validBefore": valid_before, "signature": self.sign(digest),
        }
