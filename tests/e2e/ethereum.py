"""A second implementation of what decloud signs and sends to a chain, in plain Python: Keccak-256, secp256k1 and
EIP-712, and JSON-RPC calls. It shares nothing with the program, so agreement between them means something."""

import hashlib
import hmac
import json
import os
import urllib.request

MASK = (1 << 64) - 1


def _round_constants():
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            if register & 1:
                constant |= 1 << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


def _rotations():
    offsets, x, y = {(0, 0): 0}, 1, 0
    for step in range(24):
        offsets[x, y] = (step + 1) * (step + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return offsets


CONSTANTS, ROTATIONS = _round_constants(), _rotations()


def _rotate(word, count):
    return ((word << count) | (word >> (64 - count))) & MASK


def _permute(lanes):
    for constant in CONSTANTS:
        column = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        lanes = [lane ^ column[(i % 5 + 4) % 5] ^ _rotate(column[(i % 5 + 1) % 5], 1) for i, lane in enumerate(lanes)]
        moved = [0] * 25
        for (x, y), count in ROTATIONS.items():
            moved[y + 5 * ((2 * x + 3 * y) % 5)] = _rotate(lanes[x + 5 * y], count)
        lanes = [moved[i] ^ (~moved[i // 5 * 5 + (i + 1) % 5] & moved[i // 5 * 5 + (i + 2) % 5]) for i in range(25)]
        lanes[0] ^= constant
    return lanes


def keccak(data):
    rate = 136
    padding = rate - len(data) % rate
    data += b"\x81" if padding == 1 else b"\x01" + bytes(padding - 2) + b"\x80"
    lanes = [0] * 25
    for start in range(0, len(data), rate):
        for i in range(rate // 8):
            lanes[i] ^= int.from_bytes(data[start + 8 * i:start + 8 * i + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


PRIME = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
             0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def _add(one, other):
    if one is None or other is None:
        return one or other
    if one[0] == other[0]:
        if (one[1] + other[1]) % PRIME == 0:
            return None
        slope = 3 * one[0] * one[0] * pow(2 * one[1], -1, PRIME)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, PRIME)
    x = (slope * slope - one[0] - other[0]) % PRIME
    return x, (slope * (one[0] - x) - one[1]) % PRIME


def _multiply(scalar, point):
    result = None
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


class Account:
    """A key and its address. Signatures are deterministic (RFC 6979) and have the low s."""

    def __init__(self, secret):
        self.secret = secret
        x, y = _multiply(secret, GENERATOR)
        self.address = "0x" + keccak(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[12:].hex()

    @staticmethod
    def fresh():
        return Account(int.from_bytes(os.urandom(32), "big") % (ORDER - 1) + 1)

    def sign(self, digest):
        message = int.from_bytes(digest, "big") % ORDER
        secret = self.secret.to_bytes(32, "big")
        key, value = bytes(32), b"\x01" * 32
        for byte in (b"\x00", b"\x01"):
            key = hmac.digest(key, value + byte + secret + message.to_bytes(32, "big"), "sha256")
            value = hmac.digest(key, value, "sha256")
        value = hmac.digest(key, value, "sha256")
        nonce = int.from_bytes(value, "big")
        x, y = _multiply(nonce, GENERATOR)
        r = x % ORDER
        s = pow(nonce, -1, ORDER) * (message + r * self.secret) % ORDER
        odd = y & 1
        if s > ORDER // 2:
            s, odd = ORDER - s, odd ^ 1
        return "0x" + (r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + odd])).hex()


# The published keys of a development chain's accounts; index 1 is the user of `decloud up`.
DEVELOPMENT_KEYS = [
    0xAC0974BEC39A17E36BA4A6B4D238FF944BACB478CBED5EFCAE784D7BF4F2FF80,
    0x59C6995E998F97A5A0044966F0945389DC9E86DAE88C7A8412F4603B6B78690D,
    0x5DE4111AFA1A4B94908F83103EB1F1706367C2E68CA870FC3FB9A804CDAB365A,
    0x7C852118294E51E653712A81E05800F419141751BE58F605C371E15141B007A6,
    0x47E179EC197488593B187F80A00EB0DA91F1B9D0B13F8733639F19C30A34926A,
    0x8B3A350CF5C34C9194CA85829A2DF0EC3153BE0318B5E2D3348E872092EDFFBA,
    0x92DB14E403B83DFE3DF233F83DFA3A0D7096F21CA9B0D6D6B8D88B2B4EC1564E,
    0x4BBBF85CE3377467AFE5D46F804F221813B2BB87F24D81F60F1FCDBF7CBF4356,
    0xDBDA1821B80551C9D65939329250298AA3472BA22FEEA921C0CF5D620EA67B97,
]


def development_account(index):
    return Account(DEVELOPMENT_KEYS[index])


def word(value):
    """One ABI word of a number, an address or 32 bytes."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    if isinstance(value, str):
        value = bytes.fromhex(value.removeprefix("0x"))
    return value.rjust(32, b"\0") if len(value) == 20 else value.ljust(32, b"\0")


def encode_words(values):
    """EIP-712's encodeData: an array is the hash of its words."""
    return b"".join(keccak(b"".join(word(each) for each in value)) if isinstance(value, list) else word(value)
                    for value in values)


TYPES = {
    "Deployment": "Deployment(bytes32 specHash,address owner,bytes32[] providers,bytes32[] keyThumbprints,"
                  "bytes32 termsHash,address escrow,uint256 chainId,uint128 maxPrice,uint64 created)",
    "CallAuthorization": "CallAuthorization(address payer,address provider,bytes32 requestDigest,uint128 maxPrice,"
                         "bytes32 nonce,uint64 validBefore)",
    "Revocation": "Revocation(bytes32 specHash,address owner,uint64 created)",
    "Voucher": "Voucher(bytes32 channelId,uint128 cumulativeAmount)",
    "Window": "Window(bytes32 channelId,bytes32 keyHash,uint64 firstSequence,uint64 validBefore)",
}


class Domain:
    """Where our EIP-712 signatures are valid."""

    def __init__(self, chain_id, escrow, name="decloud"):
        self.chain_id, self.escrow, self.name = chain_id, escrow, name

    def digest(self, name, fields):
        separator = keccak(encode_words([
            keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak(self.name.encode()), keccak(b"1"), self.chain_id, self.escrow]))
        struct = keccak(encode_words([keccak(TYPES[name].encode()), *fields.values()]))
        return keccak(b"\x19\x01" + separator + struct)

    def sign(self, account, name, fields):
        """The fields with `signature`, as they travel off chain: integers beyond 2^53 are decimal strings."""
        texts = {key: str(value) if isinstance(value, int) and value > 2**53 else value
                 for key, value in fields.items()}
        return texts | {"signature": account.sign(self.digest(name, fields))}


def namehash(name):
    node = bytes(32)
    for label in reversed(name.split(".")):
        node = keccak(node + keccak(label.encode()))
    return "0x" + node.hex()


class RpcError(Exception):
    pass


class Chain:
    """JSON-RPC to a development chain, whose own accounts sign for themselves."""

    def __init__(self, url):
        self.url = url

    def rpc(self, method, *parameters, timeout=10):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            reply = json.load(answer)
        if "error" in reply:
            raise RpcError(f"{method}: {reply['error']}")
        return reply["result"]

    @staticmethod
    def data(signature, *values):
        return "0x" + (keccak(signature.encode())[:4] + b"".join(word(value) for value in values)).hex()

    def view(self, to, signature, *values, block="latest"):
        """The result's words as numbers."""
        result = self.rpc("eth_call", {"to": to, "data": self.data(signature, *values)}, block)
        raw = bytes.fromhex(result[2:])
        return [int.from_bytes(raw[i:i + 32], "big") for i in range(0, len(raw), 32)]

    def send(self, sender, to, signature, *values):
        """Sends as an account that anvil holds the key of, and returns the transaction's hash."""
        return self.rpc("eth_sendTransaction",
                        {"from": sender, "to": to, "data": self.data(signature, *values), "gas": hex(2_000_000)})

    def head(self):
        return int(self.rpc("eth_blockNumber"), 16)

    def receipt(self, transaction):
        return self.rpc("eth_getTransactionReceipt", transaction)


def sha256(data):
    return hashlib.sha256(data).digest()
