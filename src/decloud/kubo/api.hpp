#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/net/url.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace decloud::kubo {

/// Names of multiformats that this module's interfaces use.
using multiformats::Block;
using multiformats::Cid;

/// Where Kubo's RPC is, and how long is waited for it.
struct ApiSettings {
    net::Url url;
    /// Value of the header Authorization; empty: none. Never logged.
    std::string authorization;
    /// For a connection, name resolution and TLS included.
    std::chrono::milliseconds connect_time{3'000};
    /// For an answer that takes one look at the repository.
    std::chrono::milliseconds answer_time{20'000};
    /// For blocks to be written.
    std::chrono::milliseconds write_time{120'000};
    /// For Kubo to walk or pin a tree.
    std::chrono::milliseconds tree_time{600'000};
    /// For so long after it did not answer, Kubo is not asked, but for one call that tries.
    std::chrono::milliseconds retry_time{2'000};
    /// For one announcement.
    std::chrono::milliseconds announce_time{120'000};
};

/// Of `Authorization`, from a secret as Kubo's setting `API.Authorizations` spells it:
/// "bearer:TOKEN" or "basic:USER:PASSWORD". Error: invalid_input, without the secret.
[[nodiscard]] Result<std::string> authorization_of(std::string_view secret);

/// Commands of a Kubo node by its RPC (docs.ipfs.tech/reference/kubo/rpc). Each blocks the caller
/// for a bounded time and looks at nothing but Kubo's own repository, save `announce`. Thread safe.
/// Errors of all: unavailable where Kubo does not answer, saying what to do; then calls within
/// `retry_time` fail at once. permission_denied where it wants a secret; io with its own words
/// where it refuses; cancelled after `stop`.
class Api {
  public:
    explicit Api(ApiSettings settings);
    ~Api();
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    /// Kubo's version.
    [[nodiscard]] Result<std::string> version();
    /// True if Kubo answers before a block is on its disk: power cuts may take what it
    /// acknowledged.
    [[nodiscard]] Result<bool> is_unsynced();

    /// Nothing if Kubo lacks it; verified. Error also: corrupt naming the cid.
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid);
    /// Kubo has taken all of them when it returns; on error perhaps some.
    [[nodiscard]] Result<void> put(std::span<const Block> blocks);

    /// True if Kubo has everything below `root`.
    [[nodiscard]] Result<bool> holds_tree(const Cid& root);
    /// Keeps the tree from Kubo's collection of garbage. Kubo searches the network for what it
    /// lacks of it: ask `holds_tree` first.
    [[nodiscard]] Result<void> pin(const Cid& root);
    /// Ends that. No error if it is not pinned.
    [[nodiscard]] Result<void> unpin(const Cid& root);
    /// True if the tree is pinned, by whomever.
    [[nodiscard]] Result<bool> is_pinned(const Cid& root);

    /// Tells the network that Kubo has this block.
    [[nodiscard]] Result<void> announce(const Cid& cid);

    /// Ends what is under way. Later calls fail.
    void stop();

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::kubo
