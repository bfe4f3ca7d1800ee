#pragma once

#include "../internal/wire.hpp"
#include "../types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decloud::sandbox::native {

/// First byte of each message between the node, the launcher and a sandbox's first process.
enum class MessageKind : std::uint8_t {
    /// Node to launcher, passed on to the sandbox. run: descriptors stdin, stdout, stderr (and the
    /// package's mount, added by the launcher).
    run = 1,
    kill,
    /// Launcher to node. ready: a first sandbox could be made, or why not.
    ready = 10,
    done,
    /// Sandbox to launcher. prepared: it waits for its run. failed: a layer could not be set up.
    /// unstartable: the program itself is to blame. ended: its wait status and resources.
    prepared = 20,
    failed,
    unstartable,
    ended,
};

/// The numbers of a `run`.
struct RunNumbers {
    std::uint64_t id = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t tmp_bytes = 0;
    std::uint32_t wall_ms = 0;
    std::uint32_t pids = 0;
    std::uint32_t cpu_millis = 0;
    std::uint32_t tmp_inodes = 0;
    std::uint32_t files = 0;
    std::uint32_t environment_count = 0;
};

/// A `run` message: what to run, with what.
struct RunRequest {
    RunNumbers numbers;
    std::string package;
    std::string entry;
    /// "NAME=VALUE\0" one after the other.
    std::string environment;
};

/// `package` is the unpacked folder's path; of `limits` what `RunNumbers` has.
[[nodiscard]] Bytes encode_run(std::uint64_t id,
    const std::string& package,
    const std::string& entry,
    const Environment& environment,
    const Limits& limits);
/// Nothing if it is malformed.
[[nodiscard]] std::optional<RunRequest> parse_run(BytesView message);

/// A `done` message: how a run ended.
struct RunDone {
    std::uint64_t id = 0;
    Outcome::End end = Outcome::End::sandbox_failed;
    std::int32_t exit_code = 0;
    std::uint64_t cpu_us = 0;
    std::uint64_t peak_bytes = 0;
    std::string detail;
};

/// As a `done` message.
[[nodiscard]] Bytes encode(const RunDone& done);
/// Nothing if it is malformed.
[[nodiscard]] std::optional<RunDone> parse_done(BytesView message);

/// A message of `kind` with a text.
[[nodiscard]] Bytes encode_text(MessageKind kind, std::string_view text);

}  // namespace decloud::sandbox::native
