#pragma once

#include "../internal/fd.hpp"
#include "../types.hpp"
#include "protocol.hpp"
#include "stdio.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <decloud_wasmtime.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace decloud::sandbox::wasm {

/// True if a WebAssembly file is a component, false if it is a module. Pure.
[[nodiscard]] bool is_component_file(BytesView wasm);
/// True if compiled code that was verified is a component's. Errors: those of reading it.
[[nodiscard]] Result<bool> is_component_code(const internal::UniqueFd& code);

/// A component that exports wasi:http/incoming-handler, ready for instances. Thread safe.
class Component {
  public:
    /// Takes over what the engine loaded.
    explicit Component(decloud_http_component_t* component) : component_(component) {}
    /// The host's own object. Lives as long as this one.
    [[nodiscard]] const decloud_http_component_t* get() const { return component_.get(); }

  private:
    struct Release {
        void operator()(decloud_http_component_t* component) const {
            decloud_http_component_delete(component);
        }
    };
    std::unique_ptr<decloud_http_component_t, Release> component_;
};

/// Compiles and loads components. Thread safe.
class ComponentEngine {
  public:
    /// `slots` is how many instances may live at the same time; 0 makes one that only compiles.
    /// Error: unavailable with the reason.
    [[nodiscard]] static Result<ComponentEngine> make(std::uint32_t slots);

    /// Compiled code, in sealed memory. Error: invalid_input, for people.
    [[nodiscard]] Result<internal::UniqueFd> compile(BytesView wasm) const;
    /// `code` must be what `compile` made. Error: invalid_input if it asks for more than any
    /// component gets.
    [[nodiscard]] Result<Component> load(BytesView code) const;
    /// Every run looks soon whether it must end.
    void tick() const { decloud_http_engine_tick(engine_.get()); }

  private:
    struct Release {
        void operator()(decloud_http_engine_t* engine) const { decloud_http_engine_delete(engine); }
    };
    explicit ComponentEngine(decloud_http_engine_t* engine) : engine_(engine) {}
    std::unique_ptr<decloud_http_engine_t, Release> engine_;
};

/// Makes a connection to the node's proxy that does not block; an empty one if it cannot.
using Connect = std::function<internal::UniqueFd()>;

/// Gives `request` to a fresh instance of `component`, on this thread. The engine must be ticking.
/// `connect` is asked if the request has a way out.
[[nodiscard]] Outcome run_component(
    const Component& component, const RunRequest& request, Stdio& stdio, const Connect& connect);

}  // namespace decloud::sandbox::wasm
