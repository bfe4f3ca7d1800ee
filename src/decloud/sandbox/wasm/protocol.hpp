#pragma once

#include "../internal/wire.hpp"
#include "../types.hpp"

#include <decloud/base/bytes.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace decloud::sandbox::wasm {

/// First byte of each message between the node and a WASM worker. A request body travels in the
/// message up to `kInlineBody`, else by descriptor.
enum class MessageKind : std::uint8_t {
    /// To the worker. load: module number, ProgramKind; descriptor: compiled code in sealed memory.
    load = 1,
    unload,
    run,
    cancel,
    /// To the node. ready: after confinement, or why it failed.
    ready = 10,
    /// Module number; 1 if the program itself is why it could not be loaded; why, or nothing.
    loaded,
    /// A run's output streams: descriptor: the pipe to read.
    stream,
    done,
    /// A run sends a request of its own: its number; descriptor: one end of a connection to the
    /// proxy.
    connect,
};

/// What compiled code is.
enum class ProgramKind : std::uint8_t { command, component, verifier };

/// How a request's body reaches the worker: in the message, or by a descriptor of this kind.
enum class InputKind : std::uint8_t { inline_bytes, memory, pipe };

/// Longest body in bytes that travels in the `run` message.
inline constexpr std::size_t kInlineBody = 96 * 1024;
/// What stdout is kept in one `done` message; equals Stdio::kKept.
inline constexpr std::size_t kInlineOutput = 64 * 1024;

/// A `run` message. The views live as long as what they were made of.
struct RunRequest {
    std::uint64_t id = 0;
    std::uint32_t module = 0;
    std::uint32_t wall_ms = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t response_bytes = 0;
    std::uint32_t stderr_bytes = 0;
    InputKind input = InputKind::inline_bytes;
    /// `connect` messages are answered.
    bool has_way_out = false;
    std::uint32_t environment_count = 0;
    /// For a component: the request's head as HTTP/1.1. Else empty.
    BytesView head;
    /// "NAME=VALUE\0" one after the other.
    BytesView environment;
    BytesView body;
};

/// As a `run` message; `environment` and its count take the place of the request's own.
[[nodiscard]] Bytes encode(const RunRequest& request, const Environment& environment);
/// The views point into the message.
[[nodiscard]] std::optional<RunRequest> parse_run(BytesView message);

/// A `done` message. `output` is stdout that was not streamed; a view.
struct RunResult {
    std::uint64_t id = 0;
    Outcome outcome;
    /// stdout came or comes through a pipe.
    bool streamed = false;
    BytesView output;
};

/// As a `done` message.
[[nodiscard]] Bytes encode(const RunResult& result);
/// Checks everything: a worker may be in the hands of the program it ran.
[[nodiscard]] std::optional<RunResult> parse_done(BytesView message);

}  // namespace decloud::sandbox::wasm
