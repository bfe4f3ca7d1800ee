// Writes vectors.json: decloud's four signed structs, hashed and signed by viem. Run after `npm ci`; the result
// is in the repository, so that the tests need neither Node nor viem.
import { writeFileSync } from "node:fs";
import { hashTypedData, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const types = {
  Deployment: [
    ["specHash", "bytes32"], ["owner", "address"], ["providers", "bytes32[]"], ["keyThumbprints", "bytes32[]"],
    ["termsHash", "bytes32"], ["escrow", "address"], ["chainId", "uint256"], ["maxPrice", "uint128"],
    ["created", "uint64"],
  ],
  CallAuthorization: [
    ["payer", "address"], ["provider", "address"], ["requestDigest", "bytes32"], ["maxPrice", "uint128"],
    ["nonce", "bytes32"], ["validBefore", "uint64"],
  ],
  Delegation: [
    ["account", "address"], ["node", "bytes32"], ["ed25519Key", "bytes32"], ["epoch", "uint64"],
    ["notBefore", "uint64"], ["expires", "uint64"],
  ],
  Revocation: [["specHash", "bytes32"], ["owner", "address"], ["created", "uint64"]],
};

let counter = 0;
const word = () => keccak256(stringToHex(`decloud vector ${counter++}`));
const number = (bits) => BigInt(word()) >> BigInt(256 - bits);

function value(type, round) {
  if (type.endsWith("[]")) return Array.from({ length: round }, () => value(type.slice(0, -2), round));
  if (type === "bytes32") return word();
  if (type === "address") return word().slice(0, 42);
  const bits = Number(type.slice(4));
  return [number(Math.min(bits, 40)), 0n, 2n ** 53n, 2n ** BigInt(Math.min(bits, 64)) - 1n][round % 4];
}

function json(value) {
  if (typeof value === "bigint") return value <= 2n ** 53n ? Number(value) : value.toString();
  return value;
}

const vectors = [];
for (let round = 0; round < 4; round++) {
  for (const [primaryType, members] of Object.entries(types)) {
    const account = privateKeyToAccount(word());
    const domain = { chainId: [31337, 1, 84532, 10][round], escrow: word().slice(0, 42) };
    const message = Object.fromEntries(members.map(([name, type]) => [name, value(type, round)]));
    const signer = { Deployment: "owner", CallAuthorization: "payer", Delegation: "account", Revocation: "owner" };
    message[signer[primaryType]] = account.address.toLowerCase();
    if (round === 3 && "maxPrice" in message) message.maxPrice = 2n ** 128n - 1n;
    const typedData = {
      domain: { name: "decloud", version: "1", chainId: domain.chainId, verifyingContract: domain.escrow },
      types: { [primaryType]: members.map(([name, type]) => ({ name, type })) },
      primaryType,
      message,
    };
    const fields = Object.fromEntries(Object.entries(message).map(([name, v]) => [name, json(v)]));
    vectors.push({
      struct: primaryType,
      domain,
      digest: hashTypedData(typedData),
      statement: { ...fields, signature: await account.signTypedData(typedData) },
    });
  }
}
writeFileSync(new URL("vectors.json", import.meta.url), JSON.stringify(vectors, null, 2) + "\n");
