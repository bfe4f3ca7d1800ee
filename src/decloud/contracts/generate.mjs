// generate.mjs ARTEFACTS CONTRACTS_DIR OUTPUT: turns forge's artefacts into the C++ of each contract.
// A file is written only when its content changes, so that nothing is rebuilt for nothing.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { render_contract, render_revert, render_signatures } from './generate_cpp.mjs';

const kContracts = ['Escrow', 'Namehash', 'Registrar', 'Registry', 'Resolver', 'TestUSDC'];

function load_artefact(artefacts, name) {
    return JSON.parse(readFileSync(join(artefacts, `${name}.sol`, `${name}.json`), 'utf8'));
}

function load_contract(artefacts, name) {
    const artefact = load_artefact(artefacts, name);
    for (const code of [artefact.bytecode, artefact.deployedBytecode]) {
        if (Object.keys(code.linkReferences).length !== 0) throw new Error(`${name} needs linking`);
    }
    return { name, ...artefact, shared: imported_trees(artefacts, artefact.ast) };
}

/// The syntax trees of the files of ours that a file imports, and of those that they import.
function imported_trees(artefacts, root, found = new Map()) {
    for (const { nodeType, file } of root.nodes) {
        const name = nodeType === 'ImportDirective' && /^\.\/(\w+)\.sol$/.exec(file)?.[1];
        if (!name || found.has(name)) continue;
        const { ast } = load_artefact(artefacts, name);
        found.set(name, ast);
        imported_trees(artefacts, ast, found);
    }
    return [...found.values()];
}

function write_if_changed(path, text) {
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
    writeFileSync(path, text);
}

function main([artefacts, contracts, output]) {
    if (!output) throw new Error('usage: generate.mjs ARTEFACTS CONTRACTS_DIR OUTPUT');
    const require = createRequire(resolve(contracts, 'package.json'));
    const { keccak256 } = require('js-sha3');
    const folder = join(output, 'decloud', 'contracts');
    mkdirSync(folder, { recursive: true });
    const rendered = kContracts.map((name) => render_contract(load_contract(artefacts, name), keccak256));
    for (const { stem, header, source } of rendered) {
        write_if_changed(join(folder, `${stem}.hpp`), header);
        write_if_changed(join(folder, `${stem}.cpp`), source);
    }
    const functions = rendered.flatMap((contract) => contract.functions);
    write_if_changed(join(folder, 'signatures.cpp'), render_signatures(functions));
    write_if_changed(join(folder, 'revert.cpp'), render_revert(rendered.map(({ stem }) => stem)));
}

main(process.argv.slice(2));
