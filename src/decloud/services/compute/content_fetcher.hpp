#pragma once

#include <decloud/async/task.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/protocol/problem.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace decloud::services {

/// For whom something is fetched, and until when that is of use.
struct FetchAsker {
    /// As `Call::client`: whom it counts against.
    std::string client;
    std::chrono::steady_clock::time_point until;
};

/// Brings content that is not held here. Single threaded.
class ContentFetcher {
  public:
    virtual ~ContentFetcher() = default;
    /// Afterwards everything under `root` is held, at most `max_bytes` more than before; unpinned.
    /// It is brought once, however many ask for it meanwhile. Problems: 404 nobody has it; 429 too
    /// much was fetched for this client; 502 what came was wrong or too large, or nothing came; 503
    /// for other reasons of this node's; 504 it took too long.
    [[nodiscard]] virtual async::Task<protocol::Checked<void>> fetch(
        multiformats::Cid root, std::uint64_t max_bytes, FetchAsker asker) = 0;
};

}  // namespace decloud::services
