#include "verifier.hpp"

#include "runner.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace decloud::sandbox::wasm {

namespace {

constexpr std::int64_t kTableElements = 20'000;
constexpr std::size_t kReadPiece = 64 * 1024;

/// A function that a verifier exports.
struct Export {
    std::string_view name;
    std::size_t parameters;
};
constexpr Export kAlloc{.name = "alloc", .parameters = 1};
constexpr Export kMinRequests{.name = "minRequests", .parameters = 0};
constexpr Export kVerify{.name = "verify", .parameters = 4};
constexpr std::string_view kMemory = "memory";

bool are_all_i32(const wasm_valtype_vec_t& types, std::size_t count) {
    if (types.size != count) {
        return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (wasm_valtype_kind(types.data[i]) != WASM_I32) {
            return false;
        }
    }
    return true;
}

bool is_function(const wasm_externtype_t* type, const Export& wanted) {
    const wasm_functype_t* function = wasm_externtype_as_functype_const(type);
    return function != nullptr && are_all_i32(*wasm_functype_params(function), wanted.parameters) &&
           are_all_i32(*wasm_functype_results(function), 1);
}

/// The first export that is missing or of another type.
std::optional<std::string_view> missing_export(const wasmtime_module_t& module) {
    std::vector<std::string_view> missing{kMemory, kAlloc.name, kMinRequests.name, kVerify.name};
    wasm_exporttype_vec_t exports{};
    wasmtime_module_exports(&module, &exports);
    for (std::size_t i = 0; i < exports.size; ++i) {
        const wasm_name_t* raw = wasm_exporttype_name(exports.data[i]);
        const std::string_view name(raw->data, raw->size);
        const wasm_externtype_t* type = wasm_exporttype_type(exports.data[i]);
        bool right = name == kMemory && wasm_externtype_kind(type) == WASM_EXTERN_MEMORY;
        for (const Export& function : {kAlloc, kMinRequests, kVerify}) {
            right = right || (name == function.name && is_function(type, function));
        }
        if (right) {
            std::erase(missing, name);
        }
    }
    wasm_exporttype_vec_delete(&exports);
    return missing.empty() ? std::nullopt : std::optional(missing.front());
}

bool has_imports(const wasmtime_module_t& module) {
    wasm_importtype_vec_t imports{};
    wasmtime_module_imports(&module, &imports);
    const bool any = imports.size != 0;
    wasm_importtype_vec_delete(&imports);
    return any;
}

/// Both texts of a verification, as they came.
struct Texts {
    BytesView requests;
    BytesView responses;
};

std::optional<Texts> split(BytesView input) {
    std::uint32_t size = 0;
    if (input.size() < sizeof size) {
        return std::nullopt;
    }
    std::memcpy(&size, input.data(), sizeof size);
    const BytesView texts = input.subspan(sizeof size);
    if (size > texts.size()) {
        return std::nullopt;
    }
    return Texts{.requests = texts.first(size), .responses = texts.subspan(size)};
}

Bytes read_all(Stdio& stdio) {
    Bytes input;
    Bytes piece(kReadPiece);
    while (input.size() <= kVerifierMemory) {
        const std::size_t count = stdio.read(piece);
        if (count == 0) {
            break;
        }
        append(input, BytesView(piece).first(count));
    }
    return input;
}

/// One question to one instance. What fails fills `outcome`, and everything after it does nothing.
class Verification {
  public:
    Verification(wasmtime_store_t* store, Stdio& stdio)
        : context_(wasmtime_store_context(store)), stdio_(stdio) {
        wasmtime_store_limiter(
            store, static_cast<std::int64_t>(kVerifierMemory), kTableElements, 1, 1, 1);
        wasmtime_store_epoch_deadline_callback(store, end_if_stopped, &stdio, nullptr);
        wasmtime_context_set_epoch_deadline(context_, 1);
    }

    Outcome run(const VerifierProgram& verifier, BytesView input) {
        const Owned<wasmtime_error_t> unfuelled(wasmtime_context_set_fuel(context_, kVerifierFuel));
        if (unfuelled) {
            return sandbox_failure(describe(*unfuelled));
        }
        wasm_trap_t* trap = nullptr;
        wasmtime_error_t* error =
            wasmtime_instance_pre_instantiate(verifier.instance_pre(), context_, &instance_, &trap);
        if (went_well(error, trap)) {
            const auto number =
                input.empty() ? call(kMinRequests, std::array<std::int32_t, 0>{}) : verify(input);
            if (number) {
                outcome_.end = Outcome::End::exited;
                const std::string text = std::to_string(*number);
                static_cast<void>(stdio_.write(as_bytes(std::string_view(text))));
            }
        }
        if (stdio_.stop() != Stdio::Stop::none) {
            outcome_ = stopped(stdio_.stop());
        }
        outcome_.peak_bytes = memory_size();
        return std::move(outcome_);
    }

  private:
    bool went_well(wasmtime_error_t* raw_error, wasm_trap_t* raw_trap) {
        const Owned<wasmtime_error_t> error(raw_error);
        const Owned<wasm_trap_t> trap(raw_trap);
        if (!error && !trap) {
            return true;
        }
        outcome_.detail = trap ? describe(*trap) : describe(*error);
        wasmtime_trap_code_t code = 0;
        const bool no_fuel =
            trap && wasmtime_trap_code(trap.get(), &code) && code == WASMTIME_TRAP_CODE_OUT_OF_FUEL;
        outcome_.end = no_fuel || !trap ? Outcome::End::limit : Outcome::End::trapped;
        return false;
    }

    std::optional<wasmtime_extern_t> find(std::string_view name) {
        wasmtime_extern_t item{};
        if (!wasmtime_instance_export_get(context_, &instance_, name.data(), name.size(), &item)) {
            return std::nullopt;
        }
        return item;
    }

    template <std::size_t Count>
    std::optional<std::int32_t> call(
        const Export& function, const std::array<std::int32_t, Count>& numbers) {
        std::array<wasmtime_val_t, Count> arguments{};
        for (std::size_t i = 0; i < Count; ++i) {
            arguments[i].kind = WASMTIME_I32;
            arguments[i].of.i32 = numbers[i];
        }
        const auto item = find(function.name);
        if (!item) {
            outcome_ = sandbox_failure("an export of the verifier has gone");
            return std::nullopt;
        }
        wasmtime_val_t result{};
        wasm_trap_t* trap = nullptr;
        wasmtime_error_t* error = wasmtime_func_call(
            context_, &item->of.func, arguments.data(), Count, &result, 1, &trap);
        if (!went_well(error, trap)) {
            return std::nullopt;
        }
        return result.of.i32;
    }

    std::size_t memory_size() {
        const auto memory = find(kMemory);
        return memory && memory->kind == WASMTIME_EXTERN_MEMORY
                   ? wasmtime_memory_data_size(context_, &memory->of.memory)
                   : 0;
    }

    /// Puts `text` where the verifier wants it.
    std::optional<std::int32_t> place(BytesView text) {
        const auto address = call(kAlloc, std::array{static_cast<std::int32_t>(text.size())});
        if (!address) {
            return std::nullopt;
        }
        const auto begin = static_cast<std::uint32_t>(*address);
        const auto memory = find(kMemory);
        const std::size_t size = memory_size();
        if (begin > size || text.size() > size - begin) {
            outcome_.end = Outcome::End::trapped;
            outcome_.detail =
                fmt::format("alloc({}) gave {}, which is outside of its {} bytes of memory",
                    text.size(), begin, size);
            return std::nullopt;
        }
        if (memory && !text.empty()) {
            std::memcpy(wasmtime_memory_data(context_, &memory->of.memory) + begin, text.data(),
                text.size());
        }
        return address;
    }

    std::optional<std::int32_t> verify(BytesView input) {
        const auto texts = split(input);
        if (!texts) {
            outcome_ = sandbox_failure("the verification is not as the node writes it");
            return std::nullopt;
        }
        const auto requests = place(texts->requests);
        const auto responses = requests ? place(texts->responses) : std::nullopt;
        if (!responses) {
            return std::nullopt;
        }
        return call(
            kVerify, std::array{*requests, static_cast<std::int32_t>(texts->requests.size()),
                         *responses, static_cast<std::int32_t>(texts->responses.size())});
    }

    wasmtime_context_t* context_;
    Stdio& stdio_;
    wasmtime_instance_t instance_{};
    Outcome outcome_;
};

}  // namespace

Owned<wasm_engine_t> make_verifier_engine(std::uint32_t slots) {
    wasm_config_t* config = new_config();
    wasmtime_config_consume_fuel_set(config, true);
    wasmtime_config_cranelift_nan_canonicalization_set(config, true);
    wasmtime_config_wasm_relaxed_simd_set(config, false);
    return make_engine(slots, config);
}

Result<VerifierProgram> VerifierProgram::make(
    wasm_engine_t& engine, Owned<wasmtime_module_t> module) {
    if (has_imports(*module)) {
        return fail(CommonError::invalid_input, "not a verifier: it imports something");
    }
    if (const auto missing = missing_export(*module)) {
        return fail(CommonError::invalid_input,
            fmt::format("not a verifier: it does not export {} as one does", *missing));
    }
    const Owned<wasmtime_linker_t> linker(wasmtime_linker_new(&engine));
    wasmtime_instance_pre_t* pre = nullptr;
    const Owned<wasmtime_error_t> error(
        wasmtime_linker_instantiate_pre(linker.get(), module.get(), &pre));
    if (error) {
        return fail(CommonError::invalid_input, describe(*error));
    }
    return VerifierProgram(std::move(module), Owned<wasmtime_instance_pre_t>(pre));
}

Outcome run_verifier(wasm_engine_t& engine,
    const VerifierProgram& verifier,
    Stdio& stdio,
    Owned<wasmtime_store_t>& store) {
    const auto begin = thread_time();
    store.reset(wasmtime_store_new(&engine, nullptr, nullptr));
    const Bytes input = read_all(stdio);
    Outcome outcome = Verification(store.get(), stdio).run(verifier, input);
    outcome.cpu = thread_time() - begin;
    outcome.stdout_bytes = stdio.written();
    return outcome;
}

}  // namespace decloud::sandbox::wasm
