// What the ABI does not say and the compiler's syntax tree does: comments, enum values, constants.

const text_of = (node) => {
    const raw = node?.documentation?.text ?? node?.documentation;
    return typeof raw === 'string' ? raw.split('\n').map((line) => line.trim()).join('\n').trim() : '';
};

export class Ast {
    #all = [];

    /// `root`: of the contract's own file; `shared`: of the files that it imports.
    constructor(root, shared) {
        const visit = (node) => {
            if (node === null || typeof node !== 'object') return;
            if (Array.isArray(node)) return node.forEach(visit);
            if (node.nodeType) this.#all.push(node);
            Object.values(node).forEach(visit);
        };
        visit(root);
        visit(shared);
    }

    #find(type, matches) {
        return this.#all.find((node) => node.nodeType === type && matches(node));
    }

    #contract(name) {
        return this.#find('ContractDefinition', (node) => node.name === name);
    }

    contract_doc(name) {
        return text_of(this.#contract(name));
    }

    is_library(name) {
        return this.#contract(name).contractKind === 'library';
    }

    function_doc(selector) {
        const matches = (node) => node.functionSelector === selector;
        return text_of(this.#find('FunctionDefinition', matches) ?? this.#find('VariableDeclaration', matches));
    }

    event_doc(topic) {
        return text_of(this.#find('EventDefinition', (node) => node.eventSelector === topic));
    }

    error_doc(selector) {
        return text_of(this.#find('ErrorDefinition', (node) => node.errorSelector === selector));
    }

    type_doc(name) {
        return text_of(this.#find('StructDefinition', (node) => node.name === name)
            ?? this.#find('EnumDefinition', (node) => node.name === name));
    }

    enum_values(name) {
        const found = this.#find('EnumDefinition', (node) => node.name === name);
        if (!found) throw new Error(`enum ${name} is neither in the contract's file nor in one that it imports`);
        return found.members.map((member) => member.name);
    }

    /// Public string constants with a literal value: [{name, value}].
    string_constants(name) {
        return this.#contract(name).nodes
            .filter((node) => node.nodeType === 'VariableDeclaration' && node.constant
                && node.visibility === 'public' && node.value?.kind === 'string')
            .map((node) => ({ name: node.name, value: node.value.value }));
    }
}
