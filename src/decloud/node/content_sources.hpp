#pragma once

#include "fetch_allowance.hpp"

#include <decloud/content/private_blocks.hpp>
#include <decloud/net/outbound_policy.hpp>
#include <decloud/net/url.hpp>
#include <decloud/services/compute/content_fetcher.hpp>

#include <memory>
#include <vector>

namespace decloud::node {

/// Where a node looks for what calls need.
struct ContentPlaces {
    /// Trustless gateways that its operator named.
    std::vector<net::Url> gateways{};
    /// Delegated routers that its operator named; asked for gateways of others where none of those
    /// gives something.
    std::vector<net::Url> routers{};
    /// What may be dialled of what routers name.
    net::OutboundPolicy strangers{};
};

/// Fetches what calls need and this node lacks from trustless gateways, verified. What was fetched
/// is nobody's to read under `/ipfs`, as nobody has said whether it may be, and pinned by nobody.
/// Single threaded; the gateways are spoken to, and the store is written, on a thread of its own.
class ContentSources final : public services::ContentFetcher {
  public:
    /// `places` has a gateway or a router. The references outlive this.
    ContentSources(async::Executor executor,
        ContentPlaces places,
        FetchRules rules,
        content::BlockStore& blocks,
        content::PrivateBlocks& private_blocks,
        const Clock& clock);
    /// After `stop` has ended, if anything was fetched.
    ~ContentSources() override;
    ContentSources(const ContentSources&) = delete;
    ContentSources& operator=(const ContentSources&) = delete;

    [[nodiscard]] async::Task<protocol::Checked<void>> fetch(
        content::Cid root, std::uint64_t max_bytes, services::FetchAsker asker) override;
    /// Ends what is under way; whoever waits for it gets 503.
    [[nodiscard]] async::Task<void> stop();

  private:
    struct Fetching;
    struct Thread;

    [[nodiscard]] async::Task<void> work(
        std::shared_ptr<Fetching> fetching, content::Cid root, FetchAllowance::Grant grant);
    void finish(const std::string& key, const std::shared_ptr<Fetching>& fetching);

    async::Executor executor_;
    FetchAllowance allowance_;
    content::BlockStore& blocks_;
    content::PrivateBlocks& private_blocks_;
    const Clock& clock_;
    /// By multihash: the same blocks under another spelling of the id are the same.
    std::unordered_map<std::string, std::shared_ptr<Fetching>> under_way_;
    std::unique_ptr<Thread> thread_;
    bool stopped_ = false;
};

/// Null if there is no place to look. The references outlive it.
[[nodiscard]] std::unique_ptr<ContentSources> make_content_sources(async::Executor executor,
    ContentPlaces places,
    content::BlockStore& blocks,
    content::PrivateBlocks& private_blocks,
    const Clock& clock);

}  // namespace decloud::node
