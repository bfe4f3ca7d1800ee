// Runs forge's tests, prints one line for each that failed or was skipped, then the totals. What the tests measured
// has to be what gas.json says; --record-gas writes it there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const tools = dirname(fileURLToPath(import.meta.url));
const forge = join(tools, 'forge');
const gas_path = join(tools, '..', 'gas.json');

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

/// A line for each measured figure that is not the recorded one; figures that were not measured are left alone.
function compare_gas(measured, record) {
    const recorded = existsSync(gas_path) ? JSON.parse(readFileSync(gas_path, 'utf8')) : {};
    if (record) {
        const sorted = Object.entries({ ...recorded, ...measured }).sort(([a], [b]) => (a < b ? -1 : 1));
        writeFileSync(gas_path, `${JSON.stringify(Object.fromEntries(sorted), null, 4)}\n`);
        return [];
    }
    return Object.entries(measured).filter(([name, gas]) => recorded[name] !== gas).map(([name, gas]) => (
        `not ok gas of ${name}: ${gas}, but contracts/gas.json says ${recorded[name] ?? 'nothing'};`
        + ' if that is meant, run contracts/test --record-gas'));
}

function main(args) {
    const record = args.includes('--record-gas');
    const measured = {};
    const totals = { Success: 0, Failure: 0, Skipped: 0 };
    for (const [suite, { test_results: results }] of Object.entries(run_forge(args.filter((arg) => arg !== '--record-gas')))) {
        for (const [name, { status, reason, counterexample, gas_snapshots: gas }] of Object.entries(results)) {
            totals[status] += 1;
            for (const [group, figures] of Object.entries(gas ?? {})) {
                for (const [what, value] of Object.entries(figures)) measured[`${group} ${what}`] = Number(value);
            }
            if (status === 'Success') continue;
            const word = status === 'Failure' ? 'not ok' : 'skip';
            console.log(`${word} ${suite}.${name}: ${reason ?? 'no reason given'}${example_text(counterexample)}`);
        }
    }
    const changed = compare_gas(measured, record && totals.Failure === 0);
    if (Object.keys(measured).length > 0) totals[changed.length > 0 ? 'Failure' : 'Success'] += 1;
    changed.forEach((line) => console.log(line));
    console.log(`${totals.Success} passed, ${totals.Failure} failed, ${totals.Skipped} skipped`);
    process.exitCode = totals.Failure > 0 || totals.Success === 0 ? 1 : 0;
}

main(process.argv.slice(2));
