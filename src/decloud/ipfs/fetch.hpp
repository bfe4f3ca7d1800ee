#pragma once

#include <decloud/async/task.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

namespace decloud::ipfs {

/// How much of gateways that may lie or dawdle is borne.
struct FetchLimits {
    std::uint64_t max_bytes = std::uint64_t{1} << 36U;
    std::uint64_t max_blocks = 10'000'000;
    /// For all of it.
    std::chrono::milliseconds time = std::chrono::hours(1);
    /// For one block; a gateway that takes longer is asked no more.
    std::chrono::milliseconds block_time = std::chrono::seconds(20);
    /// Requests that one gateway has at once.
    std::size_t requests = 4;
    /// Told of all that was brought before it becomes visible; its error ends the fetch. May be
    /// empty.
    std::function<Result<void>(const std::unordered_set<content::Cid>&)> before_commit{};
    /// Told after each block how many bytes have been brought. May be empty.
    std::function<void(std::uint64_t)> progress{};
};

/// What was brought.
struct Fetched {
    /// The cid at the end of the path.
    content::Cid end;
    std::uint64_t bytes = 0;
    /// Of each gateway that was asked no more, its URL and why.
    std::vector<std::string> dropped{};
};

/// Brings what "/a/b" below `root` names, with everything under it and the blocks that lead there,
/// into `store`, from trustless gateways: from one as a CAR and, if that is cut short, on from what
/// has arrived; from several at once block by block. Every block is verified as it arrives, and one
/// that was not asked for is refused. A gateway that lies, sends too much, is slow or fails three
/// times running is asked no more. All blocks become visible at once, none on failure or when it is
/// cancelled. Ends within `limits.time`. `store` is written on the caller's thread and outlives the
/// task. Errors, which say of each gateway why not: not_found if they all lack it, corrupt if one
/// lied, unavailable; timeout; limit_exceeded; not_found also for a path that is not there; the
/// store's.
[[nodiscard]] async::Task<Result<Fetched>> fetch_content(net::http::Client& client,
    std::vector<net::Url> gateways,
    content::Cid root,
    std::string path,
    content::BlockStore& store,
    FetchLimits limits = {});

}  // namespace decloud::ipfs
