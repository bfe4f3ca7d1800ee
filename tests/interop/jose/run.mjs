// Our JWE against npm's jose, both ways. Argument: the program decloud_jwe_tool. Prints "ok NAME" or "not ok NAME".
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as jose from "jose";

const tool = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), "jose-"));
const file = (name, content) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const run = (...args) => execFileSync(tool, args, { stdio: ["ignore", "pipe", "pipe"] });
const utf8 = (text) => new TextEncoder().encode(text);

async function makeProvider(name) {
  const pair = await jose.generateKeyPair("RSA-OAEP-256", { modulusLength: 3072, extractable: true });
  const jwk = await jose.exportJWK(pair.publicKey);
  return {
    ...pair,
    jwk: file(`${name}.jwk`, JSON.stringify({ ...jwk, alg: "RSA-OAEP-256", use: "enc" })),
    pem: file(`${name}.pem`, await jose.exportPKCS8(pair.privateKey)),
    thumbprint: await jose.calculateJwkThumbprint(jwk),
  };
}

let failures = 0;
async function check(name, work) {
  try {
    await work();
    console.log(`ok ${name}`);
  } catch (error) {
    failures++;
    console.log(`not ok ${name}`);
    console.error(error);
  }
}
function equal(a, b) {
  if (a !== b) throw new Error(`${JSON.stringify(a)} is not ${JSON.stringify(b)}`);
}
function refused(...args) {
  try {
    run(...args);
  } catch {
    return;
  }
  throw new Error("it was accepted");
}

const [alice, bob, eve] = await Promise.all(["alice", "bob", "eve"].map(makeProvider));
const text = JSON.stringify({ spec: { owner: "0x12", text: "geheim ✓" }, signature: "0x34" });
const plaintext = file("plaintext", text);

await check("thumbprints agree", () => equal(run("thumbprint", alice.jwk).toString(), alice.thumbprint));

await check("jose reads what we encrypt, as every recipient", async () => {
  const jwe = JSON.parse(run("encrypt", plaintext, alice.jwk, bob.jwk).toString());
  for (const provider of [alice, bob]) {
    const opened = await jose.generalDecrypt(jwe, provider.privateKey);
    equal(new TextDecoder().decode(opened.plaintext), text);
    equal(jwe.recipients.some((row) => row.header.kid === provider.thumbprint), true);
  }
});

await check("jose refuses it for somebody else", async () => {
  const jwe = JSON.parse(run("encrypt", plaintext, alice.jwk, bob.jwk).toString());
  await jose.generalDecrypt(jwe, eve.privateKey).then(
    () => { throw new Error("it was accepted"); },
    (error) => { if (!(error instanceof jose.errors.JOSEError)) throw error; },
  );
});

async function general(kids) {
  const encrypt = new jose.GeneralEncrypt(utf8(text)).setProtectedHeader({ enc: "A256GCM" });
  for (const provider of [alice, bob]) {
    const header = kids ? { alg: "RSA-OAEP-256", kid: provider.thumbprint } : { alg: "RSA-OAEP-256" };
    encrypt.addRecipient(provider.publicKey).setUnprotectedHeader(header);
  }
  return encrypt.encrypt();
}

for (const kids of [true, false]) {
  await check(`we read jose's general form ${kids ? "with" : "without"} kid`, async () => {
    const jwe = file("general.jwe", JSON.stringify(await general(kids)));
    for (const provider of [alice, bob]) equal(run("decrypt", jwe, provider.pem).toString(), text);
    refused("decrypt", jwe, eve.pem);
  });
}

await check("we read jose's form with additional data", async () => {
  const encrypt = new jose.GeneralEncrypt(utf8(text))
    .setProtectedHeader({ enc: "A256GCM" })
    .setAdditionalAuthenticatedData(utf8("bound"));
  encrypt.addRecipient(alice.publicKey).setUnprotectedHeader({ alg: "RSA-OAEP-256" });
  const jwe = await encrypt.encrypt();
  equal(run("decrypt", file("aad.jwe", JSON.stringify(jwe)), alice.pem).toString(), text);
  refused("decrypt", file("aad.jwe", JSON.stringify({ ...jwe, aad: "AAAA" })), alice.pem);
});

await check("we read jose's flattened form", async () => {
  const jwe = await new jose.FlattenedEncrypt(utf8(text))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A256GCM", kid: alice.thumbprint })
    .encrypt(alice.publicKey);
  equal(run("decrypt", file("flat.jwe", JSON.stringify(jwe)), alice.pem).toString(), text);
});

await check("we refuse a changed byte", async () => {
  const jwe = await general(true);
  const changed = (jwe.tag[0] === "A" ? "B" : "A") + jwe.tag.slice(1);
  refused("decrypt", file("changed.jwe", JSON.stringify({ ...jwe, tag: changed })), alice.pem);
});

await check("we refuse other algorithms", async () => {
  const jwe = await new jose.FlattenedEncrypt(utf8(text))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: "A128GCM" })
    .encrypt(alice.publicKey);
  refused("decrypt", file("a128.jwe", JSON.stringify(jwe)), alice.pem);
});

rmSync(folder, { recursive: true });
process.exit(failures === 0 ? 0 : 1);
