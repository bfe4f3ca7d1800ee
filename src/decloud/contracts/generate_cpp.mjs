// The C++ text for one contract, from its ABI, code and syntax tree.
import { Ast } from './generate_ast.mjs';
import {
    canonical_type, cpp_type, field_name, parameter_type, pascal_case, snake_case, struct_name, enum_name,
    value_name,
} from './generate_names.mjs';

const kNotice = '// Generated from the compiled contract by generate.mjs.\n';

function hex_bytes(hex) {
    return hex.replace(/^0x/, '').match(/../g)?.map((byte) => `0x${byte}`) ?? [];
}

function byte_lines(hex) {
    const bytes = hex_bytes(hex);
    const lines = [];
    for (let i = 0; i < bytes.length; i += 16) lines.push(`    ${bytes.slice(i, i + 16).join(',')},`);
    return lines.join('\n');
}

const fixed = (hex) => `{{${hex_bytes(hex).join(', ')}}}`;
const doc = (text, indent = '') => (text ? text.split('\n').map((l) => `${indent}/// ${l}\n`).join('') : '');
const signature_of = (item) => `${item.name}(${item.inputs.map(canonical_type).join(',')})`;

/// Functions with a name of their own each: of overloads, the one with the fewest parameters keeps the
/// name, the others add the names of the parameters that it does not have.
function name_functions(functions) {
    const named = [];
    for (const name of new Set(functions.map((f) => f.name))) {
        const overloads = functions.filter((f) => f.name === name);
        overloads.sort((a, b) => a.inputs.length - b.inputs.length);
        const [shortest, ...others] = overloads;
        named.push({ ...shortest, cpp: snake_case(name) });
        const known = new Set(shortest.inputs.map((p) => p.name));
        for (const other of others) {
            const added = other.inputs.filter((p) => !known.has(p.name)).map((p) => snake_case(p.name));
            named.push({ ...other, cpp: [snake_case(name), ...added].join('_') });
        }
    }
    if (new Set(named.map((f) => f.cpp)).size !== named.length) throw new Error('overloads share a name');
    return named;
}

/// All structs and enums of the ABI, each after what it contains.
function collect_types(abi) {
    const structs = new Map();
    const enums = new Set();
    const visit = (parameter) => {
        if (enum_name(parameter)) enums.add(enum_name(parameter));
        if (!parameter.type.startsWith('tuple')) return;
        parameter.components.forEach(visit);
        structs.set(struct_name(parameter), parameter.components);
    };
    for (const item of abi) [...(item.inputs ?? []), ...(item.outputs ?? [])].forEach(visit);
    return { structs, enums: [...enums] };
}

function parameters(inputs) {
    return inputs.map((p, i) => `${parameter_type(p)} ${field_name(p, i)}`).join(', ');
}

const arguments_of = (inputs) => inputs.map((p, i) => `, ${field_name(p, i)}`).join('');

function struct_text(name, fields, comment, extra = '') {
    const members = fields.map((p, i) => `    ${p.cpp ?? cpp_type(p)} ${field_name(p, i)}{};\n`).join('');
    return `${doc(comment)}struct ${name} {\n${members}${extra}`
        + `    friend bool operator==(const ${name}&, const ${name}&) = default;\n};\n`;
}

function members_text(namespace, name, fields) {
    const pointers = fields.map((p, i) => `&${namespace}::${name}::${field_name(p, i)}`);
    return `template <>\nstruct Members<${namespace}::${name}> {\n`
        + `    static constexpr std::tuple kPointers{${pointers.join(', ')}};\n};\n`;
}

function enum_text(name, values, comment) {
    const rows = values.map((value) => `    ${value_name(value)},\n`).join('');
    return `${doc(comment)}enum class ${name} : std::uint8_t {\n${rows}};\n`
        + `[[nodiscard]] std::string_view to_string(${name} value);\n`;
}

function enum_source(name, values) {
    const cases = values.map((v) => `    case ${name}::${value_name(v)}:\n        return "${snake_case(v)}";\n`);
    return `std::string_view to_string(${name} value) {\n    switch (value) {\n${cases.join('')}    }\n`
        + `    return "unknown";\n}\n`;
}

function function_header(f, ast) {
    const signature = signature_of(f);
    const selector = `inline constexpr Selector k${pascal_case(f.cpp)}Selector${fixed(f.selector)};\n`;
    const note = [`Calldata of ${signature}.`, ast.function_doc(f.selector)].filter(Boolean).join('\n');
    let text = `${selector}${doc(note)}[[nodiscard]] Bytes encode_${f.cpp}(${parameters(f.inputs)});\n`;
    if (f.outputs.length === 0) return `${text}\n`;
    const result = result_type(f);
    if (f.outputs.length > 1) text += struct_text(result, f.outputs, `What ${f.name} returns.`);
    text += `/// What ${signature} returned. Error: invalid_input.\n`
        + `[[nodiscard]] Result<${result}> decode_${f.cpp}(BytesView returned);\n\n`;
    return text;
}

function result_type(f) {
    return f.outputs.length === 1 ? cpp_type(f.outputs[0]) : `${pascal_case(f.cpp)}Result`;
}

function function_source(f) {
    let text = `Bytes encode_${f.cpp}(${parameters(f.inputs)}) {\n`
        + `    return abi::encode_call(k${pascal_case(f.cpp)}Selector${arguments_of(f.inputs)});\n}\n`;
    if (f.outputs.length === 0) return text;
    text += `Result<${result_type(f)}> decode_${f.cpp}(BytesView returned) {\n`;
    if (f.outputs.length === 1) {
        text += `    return abi::decode_value<${result_type(f)}>(returned);\n}\n`;
    } else {
        const outs = f.outputs.map((p, i) => `result.${field_name(p, i)}`).join(', ');
        text += `    ${result_type(f)} result;\n    TRY_VOID(abi::decode_tuple(returned, ${outs}));\n`
            + `    return result;\n}\n`;
    }
    return text;
}

/// An indexed parameter that does not fit a topic is there as its hash.
function event_field(p) {
    const hashed = p.indexed && (/^(bytes|string)$/.test(p.type) || p.type.includes('[') || p.type === 'tuple');
    return hashed ? { ...p, cpp: 'Bytes32' } : p;
}

function event_header(event, ast, keccak256) {
    const name = `${event.name}Event`;
    const signature = signature_of(event);
    const extra = `\n    static constexpr Bytes32 kTopic${fixed(keccak256(signature))};\n`
        + `    /// Error: invalid_input, also for another event.\n`
        + `    [[nodiscard]] static Result<${name}> decode(const EventLog& log);\n`;
    const note = [`Event ${signature}.`, ast.event_doc(keccak256(signature))].filter(Boolean).join('\n');
    return `${struct_text(name, event.inputs.map(event_field), note, extra)}\n`;
}

function event_source(event) {
    const name = `${event.name}Event`;
    const fields = event.inputs.map(event_field).map((p, i) => ({ ...p, member: `event.${field_name(p, i)}` }));
    const indexed = fields.filter((p) => p.indexed);
    const plain = fields.filter((p) => !p.indexed);
    let text = `Result<${name}> ${name}::decode(const EventLog& log) {\n`
        + `    TRY_VOID(abi::check_topics(log, kTopic, ${indexed.length}));\n    ${name} event;\n`;
    indexed.forEach((p, i) => {
        text += `    TRY_VOID(abi::decode_tuple(log.topics[${i + 1}].view(), ${p.member}));\n`;
    });
    const outs = plain.map((p) => `, ${p.member}`).join('');
    return `${text}    TRY_VOID(abi::decode_tuple(log.data${outs}));\n    return event;\n}\n`;
}

function error_header(error, ast) {
    const note = [`Error ${signature_of(error)}.`, ast.error_doc(error.selector)].filter(Boolean).join('\n');
    return `${doc(note)}inline constexpr Selector k${error.name}Error${fixed(error.selector)};\n`;
}

function error_case(error) {
    const fields = error.inputs.map((p, i) => ({ ...p, field: field_name(p, i) }));
    const declarations = fields.map((p) => `        ${cpp_type(p)} ${p.field}{};\n`).join('');
    const outs = fields.map((p) => `, ${p.field}`).join('');
    const parts = fields.map((p, i) => `"${i ? ', ' : ''}${p.name}=", abi::describe(${p.field})`);
    const text = fields.length ? `abi::joined({"${error.name}(", ${parts.join(', ')}, ")"})` : `"${error.name}()"`;
    return `    if (abi::is_error(data, k${error.name}Error)) {\n${declarations}`
        + `        if (!abi::decode_tuple(data.subspan(4)${outs})) {\n            return {};\n        }\n`
        + `        return ${text};\n    }\n`;
}

function code_header(constructor_inputs) {
    return `/// The transaction data that creates the contract.\n`
        + `[[nodiscard]] Bytes deployment_code(${parameters(constructor_inputs)});\n`
        + `/// True if \`deployed\` (what eth_getCode says) is this build of the contract, whatever it was\n`
        + `/// constructed with.\n[[nodiscard]] bool is_runtime_code(BytesView deployed);\n`
        + `/// The code that eth_getCode shows, immutables zero; for anvil_setCode of contracts without them.\n`
        + `[[nodiscard]] BytesView runtime_code();\n\n`;
}

function code_source(contract, constructor_inputs) {
    const ranges = Object.values(contract.deployedBytecode.immutableReferences ?? {}).flat()
        .map(({ start, length }) => `{${start}, ${length}}`);
    // A library keeps its own address behind its first opcode.
    if (contract.is_library) ranges.push('{1, 20}');
    return `namespace {\nconstexpr std::uint8_t kCreationCode[] = {\n${byte_lines(contract.bytecode.object)}\n};\n`
        + `constexpr std::uint8_t kRuntimeCode[] = {\n${byte_lines(contract.deployedBytecode.object)}\n};\n`
        + `constexpr std::array<abi::Range, ${ranges.length}> kImmutables{{${ranges.join(', ')}}};\n}  // namespace\n`
        + `Bytes deployment_code(${parameters(constructor_inputs)}) {\n    Bytes out = to_bytes(kCreationCode);\n`
        + `    abi::append_tuple(out${arguments_of(constructor_inputs)});\n    return out;\n}\n`
        + `bool is_runtime_code(BytesView deployed) {\n`
        + `    return abi::equal_outside(kRuntimeCode, deployed, kImmutables);\n}\n`
        + `BytesView runtime_code() { return kRuntimeCode; }\n`;
}

function constants_header(constants) {
    return constants.map(({ name, value }) => `inline constexpr std::string_view k${pascal_case(name.toLowerCase())}`
        + ` = ${JSON.stringify(value)};\n`).join('');
}

function parts_of(contract, keccak256) {
    const { abi, methodIdentifiers } = contract;
    const select = (type) => abi.filter((item) => item.type === type);
    const functions = select('function').map((f) => {
        const selector = keccak256(signature_of(f)).slice(0, 8);
        const compiled = methodIdentifiers[signature_of(f)];
        if (compiled !== selector) throw new Error(`selector of ${signature_of(f)}: ${selector}, not ${compiled}`);
        return { ...f, selector };
    });
    return {
        functions: name_functions(functions),
        events: select('event').filter((e) => !e.anonymous),
        errors: select('error').map((e) => ({ ...e, selector: keccak256(signature_of(e)).slice(0, 8) })),
        constructor_inputs: select('constructor')[0]?.inputs ?? [],
        ...collect_types(abi),
    };
}

function header_text(namespace, contract, parts, ast, keccak256) {
    const { functions, events, errors, structs, enums, constructor_inputs } = parts;
    let text = `${kNotice}#pragma once\n\n#include <decloud/contracts/abi_types.hpp>\n\n`
        + `${doc(ast.contract_doc(contract.name))}namespace decloud::contracts::${namespace} {\n\n`;
    text += constants_header(ast.string_constants(contract.name));
    text += code_header(constructor_inputs);
    for (const name of enums) text += `${enum_text(name, ast.enum_values(name), ast.type_doc(name))}\n`;
    for (const [name, fields] of structs) text += `${struct_text(name, fields, ast.type_doc(name))}\n`;
    for (const f of functions) text += function_header(f, ast);
    for (const event of events) text += event_header(event, ast, keccak256);
    for (const error of errors) text += error_header(error, ast);
    return `${text}\n/// An error of this contract in words, empty if \`data\` is none of them.\n`
        + `[[nodiscard]] std::string describe_error(BytesView data);\n\n`
        + `}  // namespace decloud::contracts::${namespace}\n`;
}

function source_text(namespace, contract, parts, ast) {
    const { functions, events, errors, structs, enums, constructor_inputs } = parts;
    let text = `${kNotice}#include <decloud/contracts/${namespace}.hpp>\n\n#include <array>\n\n`
        + `#include <decloud/contracts/abi.hpp>\n#include <decloud/contracts/internal/abi_support.hpp>\n\n`
        + `namespace decloud::contracts::abi {\n`;
    for (const [name, fields] of structs) text += members_text(namespace, name, fields);
    for (const name of enums) {
        text += `template <>\nstruct EnumLimit<${namespace}::${name}> {\n`
            + `    static constexpr unsigned kCount = ${ast.enum_values(name).length};\n};\n`;
    }
    text += `}  // namespace decloud::contracts::abi\n\nnamespace decloud::contracts::${namespace} {\n\n`;
    text += code_source({ ...contract, is_library: ast.is_library(contract.name) }, constructor_inputs);
    for (const name of enums) text += enum_source(name, ast.enum_values(name));
    for (const f of functions) text += function_source(f);
    for (const event of events) text += event_source(event);
    text += `std::string describe_error(${errors.length ? 'BytesView data' : 'BytesView /*data*/'}) {\n`;
    return `${text}${errors.map(error_case).join('')}    return {};\n}\n\n`
        + `}  // namespace decloud::contracts::${namespace}\n`;
}

export function render_contract(contract, keccak256) {
    const stem = snake_case(contract.name);
    const ast = new Ast(contract.ast, contract.shared);
    const parts = parts_of(contract, keccak256);
    return {
        stem,
        header: header_text(stem, contract, parts, ast, keccak256),
        source: source_text(stem, contract, parts, ast),
        functions: parts.functions.map((f) => [f.selector, signature_of(f)]),
    };
}

/// signatures.cpp: the functions of all contracts by their selectors.
export function render_signatures(functions) {
    const cases = [...new Map(functions)].sort().map(([selector, signature]) =>
        `        case 0x${selector}:\n            return "${signature}";\n`);
    return `${kNotice}#include <decloud/contracts/signatures.hpp>\n\nnamespace decloud::contracts {\n\n`
        + `std::string_view function_signature(BytesView calldata) {\n`
        + `    if (calldata.size() < Selector::kSize) {\n        return {};\n    }\n    std::uint32_t selector = 0;\n`
        + `    for (const std::uint8_t byte : calldata.first(Selector::kSize)) {\n`
        + `        selector = selector << 8U | byte;\n    }\n    switch (selector) {\n${cases.join('')}`
        + `        default:\n            return {};\n    }\n}\n\n}  // namespace decloud::contracts\n`;
}

/// revert.cpp: asks each contract for its errors.
export function render_revert(stems) {
    const includes = stems.map((stem) => `#include <decloud/contracts/${stem}.hpp>\n`).join('');
    const calls = stems.map((stem) => `        &${stem}::describe_error,\n`).join('');
    return `${kNotice}#include <decloud/contracts/revert.hpp>\n\n${includes}`
        + `#include <decloud/contracts/internal/abi_support.hpp>\n\nnamespace decloud::contracts {\n\n`
        + `std::string describe_revert(BytesView data) {\n`
        + `    for (const auto describe : {\n        &abi::describe_builtin_error,\n${calls}    }) {\n`
        + `        if (std::string text = describe(data); !text.empty()) {\n            return text;\n        }\n    }\n`
        + `    return abi::describe_unknown_error(data);\n}\n\n}  // namespace decloud::contracts\n`;
}
