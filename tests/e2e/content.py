"""A stranger's deployer: package, spec, signature, encryption and CAR made without decloud's own code."""

import base64
import hashlib
import io
import json
import os
import subprocess
import time
import zipfile

from ethereum import namehash, sha256

CHUNK = 1 << 20
RAW, DAG_PB = 0x55, 0x70


def varint(number):
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def cid_bytes(block, codec=RAW):
    return b"\x01" + bytes([codec]) + b"\x12\x20" + sha256(block)


def cid_text(raw):
    return "b" + base64.b32encode(raw).decode().lower().rstrip("=")


def _field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def file_blocks(content):
    """The blocks of a file under the unixfs-v1-2025 profile, root last: leaves of 1 MiB and one node above."""
    leaves = [content[i:i + CHUNK] for i in range(0, len(content), CHUNK)] or [b""]
    blocks = [(cid_bytes(leaf), leaf) for leaf in leaves]
    if len(leaves) > 1:
        links = b"".join(_field(2, _field(1, cid) + _field(2, b"") + b"\x18" + varint(len(leaf)))
                         for cid, leaf in blocks)
        sizes = b"".join(b"\x20" + varint(len(leaf)) for leaf in leaves)
        node = links + _field(1, b"\x08\x02" + b"\x18" + varint(len(content)) + sizes)
        blocks.append((cid_bytes(node, DAG_PB), node))
    return blocks


def _cbor_bytes_head(count):
    return b"\x58" + bytes([count]) if count >= 24 else bytes([0x40 | count])


def car(roots, blocks):
    """A CARv1 file."""
    links = b"".join(b"\xd8\x2a" + _cbor_bytes_head(len(root) + 1) + b"\0" + root for root in roots)
    header = b"\xa2\x65roots" + bytes([0x80 | len(roots)]) + links + b"\x67version\x01"
    out = varint(len(header)) + header
    for cid, block in blocks:
        out += varint(len(cid) + len(block)) + cid + block
    return out


def zip_of(files):
    """A package: {path: bytes}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def canonical(value):
    """RFC 8785 for what is in a spec: ASCII keys, integers, texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


LIMITS = {"wallMilliseconds": 5000, "memoryBytes": 64 << 20, "processes": 8, "requestBytes": 8 << 20,
          "responseBytes": 8 << 20, "tmpBytes": 1 << 20}


def make_spec(owner, program, *, runtime="wasm", entry="program.wasm", limits=None, **changes):
    spec = {"version": 1, "program": program,
            "manifest": {"name": "stranger", "runtime": runtime, "entry": entry, "limits": LIMITS | (limits or {}),
                         "output": "auto"},
            "environment": {}, "secrets": {}, "terms": "", "ownerPays": {"callers": "any", "perDay": 1000},
            "maxPrice": "1000", "created": int(time.time()), "owner": owner.address}
    return spec | changes


def sign_spec(spec, owner, domain, providers=(), keys=(), **changes):
    """`{spec, signature}`; providers are names, keys are RSA thumbprints."""
    fields = {"specHash": "0x" + sha256(canonical(spec)).hex(), "owner": owner.address,
              "providers": [namehash(name) for name in providers], "keyThumbprints": list(keys),
              "termsHash": "0x" + bytes(32).hex(), "escrow": domain.escrow, "chainId": domain.chain_id,
              "maxPrice": int(spec["maxPrice"]), "created": spec["created"]} | changes
    return canonical({"spec": spec, "signature": domain.sign(owner, "Deployment", fields)})


def thumbprint(jwk):
    return "0x" + hashlib.sha256(canonical({key: jwk[key] for key in ("e", "kty", "n")})).hexdigest()


ENCRYPT = r"""
const {createPublicKey, publicEncrypt, createCipheriv, randomBytes, constants} = require('node:crypto');
const input = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const text = (bytes) => Buffer.from(bytes).toString('base64url');
const key = randomBytes(32), iv = randomBytes(12);
const header = text(JSON.stringify({enc: 'A256GCM'}));
const cipher = createCipheriv('aes-256-gcm', key, iv);
cipher.setAAD(Buffer.from(header));
const ciphertext = Buffer.concat([cipher.update(Buffer.from(input.plain, 'base64')), cipher.final()]);
const recipients = input.keys.map(({jwk, kid}) => ({
  header: {alg: 'RSA-OAEP-256', kid},
  encrypted_key: text(publicEncrypt({key: createPublicKey({key: jwk, format: 'jwk'}),
    padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256'}, key)),
}));
process.stdout.write(JSON.stringify({protected: header, recipients, iv: text(iv), ciphertext: text(ciphertext),
  tag: text(cipher.getAuthTag())}));
"""


def encrypt(plain, jwks):
    """A JWE for the holders of these RSA keys."""
    keys = [{"jwk": jwk, "kid": base64.urlsafe_b64encode(bytes.fromhex(thumbprint(jwk)[2:])).decode().rstrip("=")}
            for jwk in jwks]
    node = os.environ.get("DECLOUD_NODE", "node")
    done = subprocess.run([node, "-e", ENCRYPT], capture_output=True, check=True, input=json.dumps(
        {"plain": base64.b64encode(plain).decode(), "keys": keys}).encode())
    return done.stdout


class Upload:
    """Content for a provider: files, each with its cid."""

    def __init__(self):
        self.roots, self.blocks = [], []

    def add(self, content):
        blocks = file_blocks(content)
        self.blocks += blocks
        self.roots.append(blocks[-1][0])
        return cid_text(blocks[-1][0])

    def car(self):
        unique = dict(self.blocks)
        return car(self.roots, unique.items())
