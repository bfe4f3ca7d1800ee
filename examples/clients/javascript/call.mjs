// A signed OpenCloud call with npm's http-message-signatures, paid by viem where the node asks for it.
//
//   node call.mjs KEY.pem URL [BODY [ACCOUNT MAX]]
//
// KEY.pem is an Ed25519 or P-256 key of `openssl genpkey`, ACCOUNT the hex private key of an Ethereum account that pays
// at most MAX. Prints the answer's body once its signature is verified.

import { createHash, createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createSigner, createVerifier, httpbis } from "http-message-signatures";
import { privateKeyToAccount } from "viem/accounts";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const ANSWER_COVERS = ["@status", "content-digest", "opencloud-status", "opencloud-request"];
const AUTHORIZATION = [
    { name: "payer", type: "address" }, { name: "provider", type: "address" }, { name: "requestDigest", type: "bytes32" },
    { name: "maxPrice", type: "uint128" }, { name: "nonce", type: "bytes32" }, { name: "validBefore", type: "uint64" },
];

const sha256 = (data) => createHash("sha256").update(data).digest();
const binary = (data) => `:${Buffer.from(data).toString("base64")}:`;

function toDid(raw) {
    let number = BigInt(`0x${raw.toString("hex")}`);
    let text = "";
    for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text;
    return `did:key:z${text}`;
}

/** Of a node, whose ids are Ed25519 keys. */
function publicKey(did) {
    let number = 0n;
    for (const letter of did.slice("did:key:z".length)) number = number * 58n + BigInt(ALPHABET.indexOf(letter));
    const raw = Buffer.from(number.toString(16).padStart(68, "0"), "hex").subarray(2);
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
}

function loadKey(file) {
    const secret = createPrivateKey(readFileSync(file));
    const { crv, x, y } = createPublicKey(secret).export({ format: "jwk" });
    const part = Buffer.from(x, "base64url");
    if (crv === "Ed25519") return createSigner(secret, "ed25519", toDid(Buffer.concat([Buffer.from("ed01", "hex"), part])));
    const sign = 2 + (Buffer.from(y, "base64url").at(-1) & 1);
    return createSigner(secret, "ecdsa-p256-sha256", toDid(Buffer.concat([Buffer.from([0x80, 0x24, sign]), part])));
}

function requestDigest(method, url, body, audience) {
    const lines = {
        "@method": method, "@path": url.pathname, "@query": url.search || "?",
        "content-digest": `sha-256=${binary(sha256(body))}`, "opencloud-audience": audience,
    };
    const names = Object.keys(lines).map((name) => `"${name}"`).join(" ");
    const base = Object.entries(lines).map(([name, value]) => `"${name}": ${value}\n`).join("");
    return sha256(`${base}"@signature-params": (${names})`);
}

async function pay(account, about, digest, amount) {
    const message = {
        payer: account.address, provider: about.provider.address, requestDigest: `0x${digest.toString("hex")}`,
        maxPrice: amount, nonce: `0x${randomBytes(32).toString("hex")}`, validBefore: Math.floor(Date.now() / 1000) + 300,
    };
    const signature = await account.signTypedData({
        domain: { name: "decloud", version: "1", chainId: about.chain.id, verifyingContract: about.chain.escrow },
        types: { CallAuthorization: AUTHORIZATION }, primaryType: "CallAuthorization", message,
    });
    return `attached;method="authorization";payload=${binary(JSON.stringify({ ...message, signature }))}`;
}

/** fetch() would hide the trailers, where the signature of a streamed answer is. */
function exchange(method, url, headers, body) {
    return new Promise((resolve, reject) => {
        const request = (url.protocol === "https:" ? https : http).request(url, { method, headers }, async (answer) => {
            const parts = await answer.toArray().catch(reject) ?? [];
            resolve({ status: answer.statusCode, headers: { ...answer.headers, ...answer.trailers }, content: Buffer.concat(parts) });
        });
        request.on("error", reject).end(body);
    });
}

async function check({ status, headers, content }, about, digest) {
    const verified = await httpbis.verifyMessage({
        keyLookup: async ({ keyid }) => keyid === about.node.id
            ? { id: keyid, algs: ["ed25519"], verify: createVerifier(publicKey(keyid), "ed25519") } : null,
        requiredFields: ANSWER_COVERS, tolerance: 30,
    }, { status, headers });
    if (verified !== true) throw new Error("the answer's signature is wrong");
    if (headers["content-digest"] !== `sha-256=${binary(sha256(content))}`) throw new Error("another body was signed");
    if (headers["opencloud-request"] !== binary(digest)) throw new Error("this is the answer to another request");
}

const [keyFile, address, body = "", secret, maximum = "0"] = process.argv.slice(2);
const key = loadKey(keyFile);
const account = secret ? privateKeyToAccount(secret) : null;
const url = new URL(address);
const about = await (await fetch(new URL("/.well-known/decloud", url))).json();
const method = body ? "POST" : "GET";
const digest = requestDigest(method, url, body, about.provider.audience);

async function send(nonce, amount) {
    const headers = { "opencloud-audience": about.provider.audience };
    if (body) headers["content-digest"] = `sha-256=${binary(sha256(body))}`;
    if (amount) headers["opencloud-payment"] = await pay(account, about, digest, amount);
    const signed = await httpbis.signMessage({
        key, name: "sig", fields: ["@method", "@path", "@query", ...Object.keys(headers)],
        params: ["keyid", "created", ...(nonce ? ["nonce"] : [])], paramValues: { nonce },
    }, { method, url, headers });
    const answer = await exchange(method, url, signed.headers, body);
    if (answer.status !== 401) await check(answer, about, digest);
    return { ...answer, word: answer.headers["opencloud-status"],
             nonce: /"([^"]+)"/.exec(answer.headers["opencloud-nonce"] ?? "")?.[1] };
}

let answer = {};
let amount = 0;
let roundTrips = 0;
while (roundTrips < 4) {
    answer = await send(answer.nonce, amount);
    roundTrips += 1;
    if (answer.word === "request-declined.refresh-nonce") continue;
    if (answer.status !== 402 || !account) break;
    const asked = JSON.parse(answer.content).acceptable.filter((each) => each.method === "authorization");
    const least = Math.min(...asked.map((each) => Number(each.amount)));
    if (!(amount < least && least <= Number(maximum))) break;
    amount = least;
}
process.stdout.write(answer.content);
console.error(`${answer.status} ${answer.word}, ${roundTrips} round trips, verified: ${answer.status !== 401}`);
process.exitCode = answer.status < 400 ? 0 : 1;
