// node build.mjs SOURCE TARGET: makes a component of a JavaScript module, or of a core module (SOURCE.wasm) whose imports
// and exports are named as the canonical ABI says. The definitions of WASI's interfaces come with the crate
// wasmtime-wasi-http, which decloud itself is built from.
import { componentize } from "@bytecodealliance/componentize-js";
import { componentEmbed, componentNew } from "@bytecodealliance/jco";
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const WORLD = "function";

async function copyInterfaces(folder) {
  const manifest = new URL("../../src/decloud/sandbox/wasmtime/Cargo.toml", import.meta.url).pathname;
  const metadata = JSON.parse(
    execFileSync(
      process.env.DECLOUD_CARGO ?? "cargo",
      ["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest],
      { maxBuffer: 64 * 1024 * 1024 },
    ),
  );
  const http = metadata.packages.find((each) => each.name === "wasmtime-wasi-http");
  await cp(join(dirname(http.manifest_path), "wit", "deps"), join(folder, "deps"), { recursive: true });
  await cp(new URL("world.wit", import.meta.url).pathname, join(folder, "world.wit"));
}

async function makeComponent(source, witPath) {
  if (source.endsWith(".wasm")) {
    return componentNew(await componentEmbed({ binary: await readFile(source), witPath, world: WORLD }), []);
  }
  return (await componentize(await readFile(source, "utf8"), { witPath, worldName: WORLD })).component;
}

const [source, target] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "component-"));
try {
  await copyInterfaces(folder);
  const component = await makeComponent(source, folder);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, component);
} finally {
  await rm(folder, { recursive: true });
}
