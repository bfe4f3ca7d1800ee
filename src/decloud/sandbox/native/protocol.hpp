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
    /// Node to launcher, passed on to the sandbox. run: descriptors stdin, stdout, stderr, the
    /// package's mount (added by the launcher), for a server its listening socket, and for a
    /// program with a way out the channel on which its proxy's is sent. terminate: SIGTERM to the
    /// program. freeze: all of a sandbox stands still until thaw.
    run = 1,
    kill,
    terminate,
    freeze,
    thaw,
    /// Launcher to node. ready: a first sandbox could be made, or why not. freezer: what came of a
    /// freeze or thaw; a sandbox that could not be thawed is ended instead.
    ready = 10,
    done,
    freezer,
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
    /// 0: no limit.
    std::uint32_t wall_ms = 0;
    std::uint32_t pids = 0;
    std::uint32_t cpu_millis = 0;
    std::uint32_t tmp_inodes = 0;
    std::uint32_t files = 0;
    /// 1: there is a way out.
    std::uint32_t has_way_out = 0;
    std::uint32_t user = 0;
    std::uint32_t group = 0;
};

/// User and group inside every sandbox, unless a program has its own.
inline constexpr std::uint32_t kInnerUser = 65534;

/// Whether a program reaches other machines, through a proxy of the node's.
enum class Network : std::uint8_t { none, way_out };

/// What is started, and as whom.
struct ProgramStart {
    /// The folder that becomes the root.
    std::string root;
    /// The first is the program: a path, or a name that is looked for in the environment's PATH.
    std::vector<std::string> arguments;
    /// The working directory.
    std::string folder = "/";
    /// Numbers inside the sandbox. Where a sandbox can have one user only (the node is not root),
    /// they are 65534 whatever is wanted.
    std::uint32_t user = kInnerUser;
    std::uint32_t group = kInnerUser;
};

/// A `run` message: what to run, with what.
struct RunRequest {
    RunNumbers numbers;
    std::string package;
    std::string folder;
    /// One after the other, each with a NUL behind it.
    std::string arguments;
    /// "NAME=VALUE\0" one after the other.
    std::string environment;
};

/// Of `limits` what `RunNumbers` has. No `wall`: no limit.
[[nodiscard]] Bytes encode_run(std::uint64_t id,
    const ProgramStart& start,
    const Environment& environment,
    const Limits& limits,
    Network network = Network::none);
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

/// A `freezer` message: whether a run stands still now.
struct FreezerState {
    std::uint64_t id = 0;
    bool frozen = false;
};

/// As a `freezer` message.
[[nodiscard]] Bytes encode(const FreezerState& state);
/// Nothing if it is malformed.
[[nodiscard]] std::optional<FreezerState> parse_freezer(BytesView message);

/// A message of `kind` with a text.
[[nodiscard]] Bytes encode_text(MessageKind kind, std::string_view text);

}  // namespace decloud::sandbox::native
