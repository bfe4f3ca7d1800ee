// node run_wasm.mjs PROGRAM.wasm: runs a WASI preview 1 program with this process's environment and standard streams.
// For the examples' own tests; on decloud they run in its sandbox.
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const wasi = new WASI({ version: 'preview1', env: process.env, args: ['program'], returnOnExit: true });
const program = await WebAssembly.compile(readFileSync(process.argv[2]));
process.exitCode = wasi.start(await WebAssembly.instantiate(program, wasi.getImportObject()));
