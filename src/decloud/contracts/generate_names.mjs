// Solidity's names and types in C++.

const kKeywords = new Set(['final', 'register', 'operator', 'new', 'delete', 'default', 'template', 'union',
    'signed', 'unsigned', 'char', 'int', 'long', 'short', 'auto', 'class', 'namespace', 'typename', 'export']);

export function snake_case(name) {
    return name.replace(/^_+|_+$/g, '')
        .replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2').toLowerCase();
}

/// As snake_case, and never a keyword.
export function value_name(name) {
    const snake = snake_case(name);
    return kKeywords.has(snake) ? `${snake}_value` : snake;
}

export function pascal_case(snake) {
    return snake.split('_').filter(Boolean).map((word) => word[0].toUpperCase() + word.slice(1)).join('');
}

export function field_name(parameter, index) {
    return parameter.name ? value_name(parameter.name) : `value${index}`;
}

const inner_name = (parameter, kind) => {
    const match = new RegExp(`^${kind} (?:\\w+\\.)?(\\w+)`).exec(parameter.internalType ?? '');
    return match?.[1];
};
export const struct_name = (parameter) => inner_name(parameter, 'struct');
export const enum_name = (parameter) => inner_name(parameter, 'enum');

/// The type as it stands in a signature: tuples spelled out.
export function canonical_type(parameter) {
    if (!parameter.type.startsWith('tuple')) return parameter.type;
    return `(${parameter.components.map(canonical_type).join(',')})${parameter.type.slice('tuple'.length)}`;
}

const kTypes = {
    address: 'Address', bool: 'bool', bytes: 'Bytes', string: 'std::string', bytes32: 'Bytes32', bytes4: 'Selector',
    uint8: 'std::uint8_t', uint16: 'std::uint16_t', uint32: 'std::uint32_t', uint64: 'std::uint64_t',
    uint128: 'Uint128', uint256: 'Uint256',
};

export function cpp_type(parameter) {
    if (parameter.type.endsWith('[]')) {
        const element = { ...parameter, type: parameter.type.slice(0, -2) };
        if (element.type === 'uint8') throw new Error('uint8[] has no C++ type here');
        return `std::vector<${cpp_type(element)}>`;
    }
    if (parameter.type === 'tuple') return struct_name(parameter);
    if (enum_name(parameter)) return enum_name(parameter);
    const width = /^bytes(\d+)$/.exec(parameter.type)?.[1];
    const type = kTypes[parameter.type] ?? (width ? `AbiBytes<${width}>` : undefined);
    if (!type) throw new Error(`${parameter.type} has no C++ type here`);
    return type;
}

/// How a value is passed: scalars by value, bytes and text as views, the rest by reference.
export function parameter_type(parameter) {
    const type = cpp_type(parameter);
    if (type === 'Bytes') return 'BytesView';
    if (type === 'std::string') return 'std::string_view';
    if (type === 'bool' || type === 'Uint128' || /^std::uint/.test(type) || enum_name(parameter) === type) return type;
    return `const ${type}&`;
}
