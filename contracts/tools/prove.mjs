// Runs Slither and Halmos, prints a line for each proof and for Slither, then the totals.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const contracts = join(dirname(fileURLToPath(import.meta.url)), '..');
const work = mkdtempSync(join(tmpdir(), 'decloud-prove-'));
const totals = { passed: 0, failed: 0 };

function report(name, failure) {
    totals[failure ? 'failed' : 'passed'] += 1;
    console.log(failure ? `not ok ${name}: ${failure}` : `ok ${name}`);
}

const indented = (text) => text.trimEnd().split('\n').map((line) => `\n    ${line}`).join('');

function run(command, args) {
    const { status, stdout, stderr, error } = spawnSync(command, args, {
        cwd: contracts, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, FOUNDRY_PROFILE: 'proofs' },
    });
    if (error) throw error;
    return { status, output: `${stdout}${stderr}` };
}

function read_json(path, { status, output }) {
    try {
        return JSON.parse(readFileSync(path, 'utf8'));
    } catch {
        throw new Error(`no results (exit ${status})${indented(output.split('\n').slice(-30).join('\n'))}`);
    }
}

/// Each finding is mended, or answered in the code by a comment above a `slither-disable`.
function slither() {
    const path = join(work, 'slither.json');
    const done = run('slither', ['.', '--compile-force-framework', 'foundry', '--foundry-out-directory', 'out/proofs',
        '--ignore-compile', '--filter-paths', 'node_modules|tests|proofs', '--exclude-informational', '--exclude-optimization', '--json', path]);
    const { success, error, results } = read_json(path, done);
    if (!success) throw new Error(`failed${indented(String(error))}`);
    const findings = results.detectors ?? [];
    report('Slither', findings.length && indented(findings.map((each) => each.description).join('\n')));
}

function halmos(args) {
    const path = join(work, 'halmos.json');
    const done = run('halmos', ['--root', '.', '--forge-build-out', 'out/proofs', '--contract', 'EscrowProofs',
        '--solver-timeout-assertion', '300s', '--solver-timeout-branching', '20', '--no-status', '--json-output', path, ...args]);
    const proofs = Object.values(read_json(path, done).test_results).flat();
    if (proofs.length === 0) throw new Error(`nothing was proven${indented(done.output)}`);
    for (const { name, exitcode, num_bounded_loops: bounded } of proofs) {
        const failure = exitcode !== 0 ? 'not proven' : bounded ? 'only as far as a loop was followed' : '';
        report(name.replace(/\(.*/, ''), failure && failure + indented(done.output));
    }
}

function main(args) {
    try {
        for (const [name, step] of [['Halmos', () => halmos(args)], ['Slither', slither]]) {
            try {
                step();
            } catch (error) {
                report(name, error.message);
            }
        }
    } finally {
        rmSync(work, { recursive: true });
    }
    console.log(`${totals.passed} passed, ${totals.failed} failed, 0 skipped`);
    process.exitCode = totals.failed > 0 ? 1 : 0;
}

main(process.argv.slice(2));
