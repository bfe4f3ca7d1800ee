#pragma once

#include "../log.hpp"
#include "segment.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace decloud::store::internal {

/// Where the writer goes on: in the last segment, behind its last whole record.
struct LogEnd {
    File file;
    std::uint64_t salt = 0;
    std::uint64_t bytes = 0;
    std::uint64_t offset = 0;
    bool sealed = false;
};

struct LogContent {
    LogRecovery recovery;
    /// None in a new log.
    std::optional<LogEnd> end;
    /// First sequences of the segments, ascending.
    std::vector<std::uint64_t> segments;
};

/// Replays the folder, cuts a torn tail of the last segment and makes what is left durable.
/// Errors: as GroupCommitLog::open.
[[nodiscard]] Result<LogContent> read_log(const std::filesystem::path& directory,
    std::uint64_t from_sequence,
    const GroupCommitLog::Replay& replay);

}  // namespace decloud::store::internal
