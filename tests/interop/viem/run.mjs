// A caller written with viem: its digests are the contract's, and a CallAuthorization it signs pays for a call.
// Reads {rpc, escrow, chainId, provider, node, cid, price, key} as JSON from standard input; prints `ok NAME` lines.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createPublicClient, hashTypedData, http, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const cloud = JSON.parse(readFileSync(0, "utf8"));
const account = privateKeyToAccount(cloud.key);
const domain = { name: "decloud", version: "1", chainId: cloud.chainId, verifyingContract: cloud.escrow };
const fieldsOf = (text) => text.split(", ").map((each) => {
  const [type, name] = each.split(" ");
  return { name, type };
});
const structs = {
  Deployment: "bytes32 specHash, address owner, bytes32[] providers, bytes32[] keyThumbprints, bytes32 termsHash, " +
    "address escrow, uint256 chainId, uint128 maxPrice, uint64 created",
  CallAuthorization: "address payer, address provider, bytes32 requestDigest, uint128 maxPrice, bytes32 nonce, " +
    "uint64 validBefore",
  Delegation: "address account, bytes32 node, bytes32 ed25519Key, uint64 epoch, uint64 notBefore, uint64 expires",
  Revocation: "bytes32 specHash, address owner, uint64 created",
};
const types = Object.fromEntries(Object.entries(structs).map(([name, text]) => [name, fieldsOf(text)]));
const abi = parseAbi(Object.entries(structs).flatMap(([name, text]) => [
  `struct ${name} { ${text.split(", ").join("; ")}; }`,
  `function ${name[0].toLowerCase()}${name.slice(1)}Digest(${name} value) view returns (bytes32)`,
]));
const word = () => `0x${randomBytes(32).toString("hex")}`;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
let failed = false;

async function test(name, action) {
  try {
    await action();
    console.log(`ok ${name}`);
  } catch (problem) {
    failed = true;
    console.log(`not ok ${name}\n  ${problem.stack ?? problem}`);
  }
}

function expectEqual(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: ${found}, expected ${wanted}`);
}

function sample(type) {
  if (type === "bytes32[]") return [word(), word(), word()];
  if (type === "bytes32") return word();
  if (type === "address") return `0x${randomBytes(20).toString("hex")}`;
  return BigInt(`0x${randomBytes(Number(type.slice(4)) / 8).toString("hex")}`);
}

const chain = createPublicClient({ transport: http(cloud.rpc) });
for (const [primaryType, fields] of Object.entries(types)) {
  await test(`digest of ${primaryType}`, async () => {
    for (let round = 0; round < 5; ++round) {
      const message = Object.fromEntries(fields.map(({ name, type }) => [name, sample(type)]));
      const functionName = `${primaryType[0].toLowerCase()}${primaryType.slice(1)}Digest`;
      const theirs = await chain.readContract({ address: cloud.escrow, abi, functionName, args: [message] });
      expectEqual(hashTypedData({ domain, types, primaryType, message }), theirs, "digest");
    }
  });
}

async function pay(target, body, changes = {}) {
  const [path, query = ""] = target.split("?");
  const digest = `sha-256=:${sha256(body).toString("base64")}:`;
  const lines = [["@method", "POST"], ["@path", path], ["@query", `?${query}`], ["content-digest", digest],
    ["opencloud-audience", `eip155:${cloud.chainId}:${cloud.provider.toLowerCase()}`]];
  const base = lines.map(([name, value]) => `"${name}": ${value}\n`).join("") +
    `"@signature-params": (${lines.map(([name]) => `"${name}"`).join(" ")})`;
  const message = { payer: account.address, provider: cloud.provider, requestDigest: `0x${sha256(base).toString("hex")}`,
    maxPrice: BigInt(cloud.price), nonce: word(), validBefore: BigInt(Math.floor(Date.now() / 1000) + 120), ...changes };
  const signature = await account.signTypedData({ domain, types, primaryType: "CallAuthorization", message });
  const statement = { ...message, maxPrice: Number(message.maxPrice), validBefore: Number(message.validBefore),
    payer: message.payer.toLowerCase(), provider: message.provider.toLowerCase(), signature };
  const payload = Buffer.from(JSON.stringify(statement)).toString("base64");
  return fetch(cloud.node + target, { method: "POST", body,
    headers: { "OpenCloud-Payment": `attached;method="authorization";payload=:${payload}:`, "Content-Digest": digest } });
}

await test("a call paid for with viem", async () => {
  const answer = await pay(`/${cloud.cid}/path?echo=1`, Buffer.from("paid by viem"));
  const text = await answer.text();
  expectEqual(answer.status, 200, text);
  expectEqual(text, "paid by viem", "body");
});

await test("a price below the provider's is refused", async () => {
  const answer = await pay(`/${cloud.cid}?echo=1`, Buffer.from("x"), { maxPrice: BigInt(cloud.price) - 1n });
  expectEqual(answer.status, 402, await answer.text());
});

process.exit(failed ? 1 : 0);
