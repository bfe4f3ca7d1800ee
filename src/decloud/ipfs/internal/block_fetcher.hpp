#pragma once

#include "../fetch.hpp"
#include "fetched_blocks.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <deque>
#include <optional>
#include <unordered_set>

namespace decloud::ipfs::internal {

/// A gateway that is asked, until it is dropped.
struct Source {
    net::Url url;
    /// Failures since it last gave something.
    int failures = 0;
    bool dropped = false;
    /// It sent what is no right answer to what it was asked.
    bool lied = false;
    /// What it did last that was not right; may be empty.
    std::string reason{};
};

/// Fetches blocks and everything below them from several gateways. For one `fetch_content`. Not
/// thread safe; what it is made of outlives it.
class BlockFetcher {
  public:
    BlockFetcher(async::Executor executor,
        net::http::Client& client,
        std::vector<Source>& sources,
        content::StagedBlocks& staged,
        const FetchedBlocks& blocks,
        const FetchLimits& limits);

    /// One gateway's CAR of `path` below `root`, as far as it is right: what is wrong drops the
    /// gateway, and a cut counts as a failure. Error: what ends the whole fetch.
    [[nodiscard]] async::Task<Result<void>> take_car(
        Source& source, content::Cid root, std::string path);

    /// These blocks and, if `whole`, everything below them; what is held is not fetched. Error:
    /// unavailable if none of the gateways gives one of them; limit_exceeded; the store's.
    [[nodiscard]] async::Task<Result<void>> fetch(std::vector<content::Cid> roots, bool whole);

    /// Of all that was fetched.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    /// All that was fetched, if the limits have somebody to tell of it.
    [[nodiscard]] const std::unordered_set<content::Cid>& kept() const { return kept_; }

  private:
    struct Want {
        content::Cid cid;
        std::size_t depth = 0;
        /// By the number of the source: it lacks the block.
        std::vector<bool> asked{};
    };

    [[nodiscard]] async::Task<void> work(std::size_t source);
    /// Waits for the workers, and ends them first if the fetch is cancelled.
    [[nodiscard]] async::Task<void> join(async::TaskGroup& workers);
    [[nodiscard]] async::Task<Result<void>> read_car(
        Source& source, content::Cid root, std::string path);
    [[nodiscard]] async::Task<Result<std::optional<Bytes>>> ask(Source& source, content::Cid cid);
    [[nodiscard]] std::optional<Want> take(std::size_t source);
    /// Stores a verified block. Errors end the whole fetch.
    [[nodiscard]] Result<void> keep(const content::Cid& cid, BytesView data);
    /// Wants what a block leads to.
    [[nodiscard]] Result<void> follow(const Want& want, BytesView data);
    /// Wants a block, or follows it if it is here.
    [[nodiscard]] Result<void> want(content::Cid cid, std::size_t depth);
    [[nodiscard]] Result<void> settle(
        std::size_t source, Want want, Result<std::optional<Bytes>> got);
    void blame(Source& source, const Error& error);
    /// Error: timeout once the fetch has taken longer than it may.
    [[nodiscard]] Result<void> check_time() const;
    [[nodiscard]] bool is_hopeless(const Want& want) const;
    [[nodiscard]] std::chrono::steady_clock::duration time_left() const;
    void end(Error error);

    async::Executor executor_;
    net::http::Client& client_;
    std::vector<Source>& sources_;
    content::StagedBlocks& staged_;
    const FetchedBlocks& blocks_;
    FetchLimits limits_;
    std::chrono::steady_clock::time_point deadline_;
    async::Event changed_;
    async::Event idle_;
    std::size_t working_ = 0;

    std::deque<Want> wanted_;
    std::unordered_set<content::Cid> seen_;
    bool whole_ = false;
    std::size_t in_flight_ = 0;
    std::optional<Error> failed_;
    std::uint64_t bytes_ = 0;
    std::uint64_t count_ = 0;
    std::unordered_set<content::Cid> kept_;
};

}  // namespace decloud::ipfs::internal
