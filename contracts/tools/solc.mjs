// The part of solc's command line that forge uses, on top of npm's solc.
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

// The compiler logs to stdout while it loads; forge expects nothing but JSON there.
console.log = console.error;
const solc = createRequire(import.meta.url)('solc');

function write_all(text) {
    const bytes = Buffer.from(text);
    for (let offset = 0; offset < bytes.length;) {
        try {
            offset += writeSync(1, bytes, offset);
        } catch (error) {
            if (error.code !== 'EAGAIN') throw error;
        }
    }
}

if (process.argv.includes('--version')) {
    write_all(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes('--standard-json')) {
    write_all(solc.compile(readFileSync(0, 'utf8')));
} else {
    process.stderr.write('solc wrapper: only --version and --standard-json are known\n');
    process.exitCode = 64;
}
