// Account keys in V3 JSON against npm's ethers, both ways. Argument: the program decloud.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { decryptKeystoreJson, encryptKeystoreJson, hexlify, isKeystoreJson, randomBytes, Wallet } from "ethers";

const program = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), "keystore-"));
const environment = { PATH: process.env.PATH, HOME: folder };
const words = (args, passphrase) => ["--home", join(folder, "home"), ...args,
  ...(passphrase === undefined ? [] : ["--passphrase-file", file("passphrase", `${passphrase}\n`)])];
let files = 0;
const file = (name, content) => {
  const path = join(folder, `${name}-${++files}`);
  if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
  return path;
};
const run = (args, passphrase) =>
  execFileSync(program, words(args, passphrase), { env: environment, stdio: ["ignore", "pipe", "pipe"] }).toString();
const code = (args, passphrase) =>
  spawnSync(program, words(args, passphrase), { env: environment, stdio: ["ignore", "pipe", "pipe"] }).status;
const stored = (name) => readFileSync(join(folder, "home", "data", "keys", "accounts", `${name}.json`), "utf8");

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
function keyOf(name, passphrase) {
  const path = file("key");
  run(["account", "export", name, "--file", path], passphrase);
  return readFileSync(path, "utf8").trim();
}

await check("ethers opens what account create --encrypt stores", async () => {
  const address = run(["account", "create", "ours", "--encrypt"], "correct horse ✓").trim();
  const json = stored("ours");
  equal(isKeystoreJson(json), true);
  const account = await decryptKeystoreJson(json, "correct horse ✓");
  equal(account.address.toLowerCase(), address);
  equal(account.privateKey, keyOf("ours", "correct horse ✓"));
  await decryptKeystoreJson(json, "wrong horse").then(
    () => { throw new Error("a wrong passphrase opened it"); }, () => {});
});

await check("ethers opens what account export --encrypt writes", async () => {
  const address = run(["account", "create", "plain"]).trim();
  const path = file("exported");
  run(["account", "export", "plain", "--file", path, "--encrypt"], "another");
  const account = await decryptKeystoreJson(readFileSync(path, "utf8"), "another");
  equal(account.address.toLowerCase(), address);
  equal(account.privateKey, keyOf("plain"));
});

await check("account import opens what ethers encrypts", async () => {
  const privateKey = hexlify(randomBytes(32));
  const json = await encryptKeystoreJson({ address: new Wallet(privateKey).address, privateKey }, "theirs ✓");
  const address = run(["account", "import", "theirs", "--file", file("theirs", json)], "theirs ✓").trim();
  equal(address, new Wallet(privateKey).address.toLowerCase());
  equal(keyOf("theirs", "theirs ✓"), privateKey);
  equal((await decryptKeystoreJson(stored("theirs"), "theirs ✓")).privateKey, privateKey);
  equal(code(["account", "import", "refused", "--file", file("theirs", json)], "not theirs"), 4);
  equal(existsSync(join(folder, "home", "data", "keys", "accounts", "refused.json")), false);
});

// The files of several wallets that ethers is tested with, those without a passphrase left out: we store none so.
const cases = new URL("../../vectors/eip712/node_modules/@ethersproject/testcases/testcases/wallets.json.gz", import.meta.url);
for (const each of JSON.parse(gunzipSync(readFileSync(cases)).toString())) {
  if (each.type !== "secret-storage" || !each.password) continue;
  await check(`account import opens ${each.name}`, () => {
    const name = each.name.replaceAll("_", "-");
    run(["account", "import", name, "--file", file(name, each.json)], each.password);
    equal(keyOf(name, each.password), each.privateKey);
  });
}

rmSync(folder, { recursive: true });
process.exit(failures === 0 ? 0 : 1);
