#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <wasmtime.h>

#include <cstdint>
#include <memory>
#include <string>

namespace decloud::sandbox::wasm {

/// Owning pointers for Wasmtime's C objects.
struct Release {
    void operator()(wasm_engine_t* object) const { wasm_engine_delete(object); }
    void operator()(wasmtime_module_t* object) const { wasmtime_module_delete(object); }
    void operator()(wasmtime_linker_t* object) const { wasmtime_linker_delete(object); }
    void operator()(wasmtime_store_t* object) const { wasmtime_store_delete(object); }
    void operator()(wasmtime_instance_pre_t* object) const { wasmtime_instance_pre_delete(object); }
    void operator()(wasmtime_error_t* object) const { wasmtime_error_delete(object); }
    void operator()(wasm_trap_t* object) const { wasm_trap_delete(object); }
    void operator()(wasm_functype_t* object) const { wasm_functype_delete(object); }
};
/// Deletes the object with Wasmtime's own function.
template <class Object>
using Owned = std::unique_ptr<Object, Release>;

/// What all our engines have in common.
[[nodiscard]] wasm_config_t* new_config();
/// `slots` is how many instances may live at the same time; 0 makes an engine that only compiles.
/// `config` belongs to the engine then.
[[nodiscard]] Owned<wasm_engine_t> make_engine(
    std::uint32_t slots, wasm_config_t* config = new_config());

/// What compiled code depends on besides the module: the engine's version, our settings and this
/// processor. Part of a cache file's name.
[[nodiscard]] std::string engine_fingerprint();

/// The most memory one instance may have, whatever its limits say.
inline constexpr std::uint64_t kMaximumMemory = 1ULL << 32;

/// Why something failed, in one line of at most 300 bytes.
[[nodiscard]] std::string describe(const wasmtime_error_t& error);
[[nodiscard]] std::string describe(const wasm_trap_t& trap);

/// A program that is ready for instances: a WASI command whose imports are all there. Thread safe.
class Program {
  public:
    /// `linker` has what `define_wasi` gives. Error: invalid_input, for people.
    [[nodiscard]] static Result<Program> make(
        const wasmtime_linker_t& linker, Owned<wasmtime_module_t> module);
    /// Wasmtime's own objects. They live as long as this one.
    [[nodiscard]] const wasmtime_instance_pre_t* instance_pre() const { return pre_.get(); }
    [[nodiscard]] const wasmtime_module_t& module() const { return *module_; }

  private:
    Program(Owned<wasmtime_module_t> module, Owned<wasmtime_instance_pre_t> pre)
        : module_(std::move(module)), pre_(std::move(pre)) {}
    Owned<wasmtime_module_t> module_;
    Owned<wasmtime_instance_pre_t> pre_;
};

}  // namespace decloud::sandbox::wasm
