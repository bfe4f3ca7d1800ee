// Writes typed-data.json: cases of @ethersproject/testcases whose members have types that decloud's structs have, or could
// have, thinned out. Run after `npm ci`; the result is in the repository.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";

const entry = createRequire(import.meta.url).resolve("@ethersproject/testcases/testcases/eip712.json.gz");
const domainTypes = { name: "string", version: "string", chainId: "uint256", verifyingContract: "address", salt: "bytes32" };

const base = (type) => type.replace(/(\[\d*\])+$/, "");
function isOurs(type, types) {
  const name = base(type);
  const bits = /^uint(\d+)$/.exec(name);
  return name in types || /^(bool|address|string|bytes\d*)$/.test(name) || (bits && Number(bits[1]) <= 128);
}

/** "Person(string name,address wallet)" with the structs that it refers to, as EIP-712 says. */
function typeText(primary, types) {
  const found = new Set();
  const visit = (name) => {
    if (!(name in types) || found.has(name)) return;
    found.add(name);
    types[name].forEach((member) => visit(base(member.type)));
  };
  visit(primary);
  found.delete(primary);
  return [primary, ...[...found].sort()]
    .map((name) => `${name}(${types[name].map((member) => `${member.type} ${member.name}`).join(",")})`)
    .join("");
}

const cases = JSON.parse(gunzipSync(readFileSync(entry)))
  .filter(({ types }) => Object.values(types).flat().every(({ type }) => isOurs(type, types)))
  .filter(({ name }, index) => name === "EIP712 example" || index % 5 === 0)
  .map(({ name, domain, primaryType, types, data, digest }) => ({
    name,
    domain: {
      type: `EIP712Domain(${Object.keys(domainTypes)
        .filter((key) => key in domain)
        .map((key) => `${domainTypes[key]} ${key}`)
        .join(",")})`,
      members: Object.keys(domainTypes)
        .filter((key) => key in domain)
        .map((key) => ({ type: domainTypes[key], value: String(domain[key]).replace(/^0x.*/, (hex) => hex.toLowerCase()) })),
    },
    primaryType,
    types: Object.fromEntries(
      Object.entries(types).map(([type, members]) => [type, { text: typeText(type, types), members }]),
    ),
    data,
    digest,
  }));
writeFileSync(new URL("typed-data.json", import.meta.url), JSON.stringify(cases, null, 1) + "\n");
