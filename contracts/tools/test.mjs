// Runs forge's tests, prints one line for each that failed or was skipped, then the totals.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const forge = join(dirname(fileURLToPath(import.meta.url)), 'forge');

function run_forge(args) {
    const { status, stdout, stderr, error } = spawnSync(forge, ['test', '--json', ...args],
        { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] });
    if (error) throw error;
    const line = stdout.split('\n').find((text) => text.startsWith('{'));
    if (!line) {
        process.stderr.write(`${stdout}${stderr}contracts/test: forge gave no results (exit ${status})\n`);
        process.exit(1);
    }
    return JSON.parse(line);
}

/// The input that failed, or the calls that led to it.
function example_text(counterexample) {
    if (!counterexample) return '';
    if (!counterexample.Sequence) return `\n    ${JSON.stringify(counterexample.Single?.args ?? counterexample)}`;
    return counterexample.Sequence[1].map((call) => `\n    ${call.func_name}(${call.raw_args})`).join('');
}

function main(args) {
    const totals = { Success: 0, Failure: 0, Skipped: 0 };
    for (const [suite, { test_results: results }] of Object.entries(run_forge(args))) {
        for (const [name, { status, reason, counterexample }] of Object.entries(results)) {
            totals[status] += 1;
            if (status === 'Success') continue;
            const word = status === 'Failure' ? 'not ok' : 'skip';
            console.log(`${word} ${suite}.${name}: ${reason ?? 'no reason given'}${example_text(counterexample)}`);
        }
    }
    console.log(`${totals.Success} passed, ${totals.Failure} failed, ${totals.Skipped} skipped`);
    process.exitCode = totals.Failure > 0 || totals.Success === 0 ? 1 : 0;
}

main(process.argv.slice(2));
