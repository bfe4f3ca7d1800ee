#include "engine.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/hash.hpp>

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <string_view>

namespace decloud::sandbox::wasm {

namespace {

struct ReleasePool {
    void operator()(wasmtime_pooling_allocation_config_t* object) const {
        wasmtime_pooling_allocation_config_delete(object);
    }
};

void use_pool(wasm_config_t* config, std::uint32_t slots) {
    const std::unique_ptr<wasmtime_pooling_allocation_config_t, ReleasePool> pool(
        wasmtime_pooling_allocation_config_new());
    auto* raw = pool.get();
    wasmtime_pooling_allocation_config_total_core_instances_set(raw, slots);
    wasmtime_pooling_allocation_config_total_memories_set(raw, slots);
    wasmtime_pooling_allocation_config_total_tables_set(raw, slots);
    wasmtime_pooling_allocation_config_max_memories_per_module_set(raw, 1);
    wasmtime_pooling_allocation_config_max_tables_per_module_set(raw, 1);
    wasmtime_pooling_allocation_config_max_memory_size_set(raw, kMaximumMemory);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(raw, kMiB);
    wasmtime_pooling_allocation_config_table_keep_resident_set(raw, 64 * kKiB);
    wasmtime_pooling_allocation_config_max_core_instance_size_set(raw, kMiB);
    wasmtime_pooling_allocation_strategy_set(config, raw);
}

/// The line that says why: the engine puts where it happened in front of it.
std::string reason_of(const wasm_byte_vec_t& message) {
    std::string_view text(message.data, message.size);
    if (const std::size_t cause = text.find("wasm trap: "); cause != std::string_view::npos) {
        text.remove_prefix(cause + 11);
    }
    text = text.substr(0, text.find_first_of(std::string_view("\n\0", 2)));
    return std::string(text.substr(0, 300));
}

}  // namespace

wasm_config_t* new_config() {
    wasm_config_t* config = wasm_config_new();
    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_max_wasm_stack_set(config, 512 * kKiB);
    wasmtime_config_cranelift_opt_level_set(config, WASMTIME_OPT_LEVEL_SPEED);
    wasmtime_config_memory_init_cow_set(config, true);
    wasmtime_config_wasm_memory64_set(config, false);
    wasmtime_config_wasm_multi_memory_set(config, false);
    wasmtime_config_wasm_relaxed_simd_deterministic_set(config, true);
    return config;
}

Owned<wasm_engine_t> make_engine(std::uint32_t slots, wasm_config_t* config) {
    if (slots > 0) {
        use_pool(config, slots);
    }
    return Owned<wasm_engine_t>(wasm_engine_new_with_config(config));
}

std::string engine_fingerprint() {
    std::string text = "decloud-2 wasmtime-" WASMTIME_VERSION " epoch stack512k cow nomem64 ";
    std::ifstream cpu("/proc/cpuinfo");
    for (std::string line; std::getline(cpu, line);) {
        if (line.starts_with("flags") || line.starts_with("Features")) {
            text += line;
            break;
        }
    }
    return to_hex(crypto::sha256(text)).substr(0, 16);
}

std::string describe(const wasmtime_error_t& error) {
    wasm_byte_vec_t text{};
    wasmtime_error_message(&error, &text);
    std::string reason = reason_of(text);
    wasm_byte_vec_delete(&text);
    return reason;
}

std::string describe(const wasm_trap_t& trap) {
    wasm_byte_vec_t text{};
    wasm_trap_message(&trap, &text);
    std::string reason = reason_of(text);
    wasm_byte_vec_delete(&text);
    return reason;
}

Result<Program> Program::make(const wasmtime_linker_t& linker, Owned<wasmtime_module_t> module) {
    wasm_exporttype_vec_t exports{};
    wasmtime_module_exports(module.get(), &exports);
    bool start = false;
    bool memory = false;
    for (std::size_t i = 0; i < exports.size; ++i) {
        const wasm_name_t* raw = wasm_exporttype_name(exports.data[i]);
        const std::string_view name(raw->data, raw->size);
        const auto kind = wasm_externtype_kind(wasm_exporttype_type(exports.data[i]));
        start = start || (name == "_start" && kind == WASM_EXTERN_FUNC);
        memory = memory || (name == "memory" && kind == WASM_EXTERN_MEMORY);
    }
    wasm_exporttype_vec_delete(&exports);
    if (!start || !memory) {
        return fail(CommonError::invalid_input,
            fmt::format("not a WASI command: it does not export {}", start ? "memory" : "_start"));
    }
    wasmtime_instance_pre_t* pre = nullptr;
    const Owned<wasmtime_error_t> error(
        wasmtime_linker_instantiate_pre(&linker, module.get(), &pre));
    if (error) {
        return fail(CommonError::invalid_input, describe(*error));
    }
    return Program(std::move(module), Owned<wasmtime_instance_pre_t>(pre));
}

}  // namespace decloud::sandbox::wasm
