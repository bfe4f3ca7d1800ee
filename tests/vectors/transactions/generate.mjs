// Writes vectors.json: EIP-1559 transactions of @ethersproject/testcases, every 37th of those whose numbers fit what
// decloud sends (value up to 128 bits, the rest up to 64). Run after `npm ci`; the result is in the repository.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";

const entry = createRequire(import.meta.url).resolve("@ethersproject/testcases/testcases/typed-transactions.json.gz");
const bits = { chainId: 64, nonce: 64, gasLimit: 64, value: 128, maxFeePerGas: 128, maxPriorityFeePerGas: 128 };
const fits = (tx) => Object.entries(bits).every(([name, n]) => BigInt(tx[name] ?? 0) < 1n << BigInt(n));

const vectors = JSON.parse(gunzipSync(readFileSync(entry)))
  .filter(({ tx }) => tx.type === 2 && fits(tx))
  .filter((_, index) => index % 37 === 0)
  .map(({ name, key, tx, unsigned, signed }) => ({
    name,
    key,
    tx: {
      ...Object.fromEntries(Object.keys(bits).map((field) => [field, BigInt(tx[field] ?? 0).toString()])),
      to: tx.to?.toLowerCase() ?? null,
      data: tx.data ?? "0x",
      accessList: (tx.accessList ?? []).map((item) => ({
        address: (item.address ?? item[0]).toLowerCase(),
        storageKeys: item.storageKeys ?? item[1],
      })),
    },
    unsigned,
    signed,
  }));
writeFileSync(new URL("vectors.json", import.meta.url), JSON.stringify(vectors, null, 2) + "\n");
