#include "content_sources.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/ipfs/routed_fetch.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <utility>

namespace decloud::node {

namespace {

using protocol::Checked;
using protocol::refuse;
using protocol::Status;
using std::chrono::steady_clock;

/// Each has to be asked for and looked up.
constexpr std::uint64_t kMostBlocks = 65'536;
/// What a gateway sends besides the content: the blocks above its leaves.
constexpr std::uint64_t kOverheadBytes = kMiB;
/// A fetch ends in its time; what ends it may be late.
constexpr auto kPatience = std::chrono::seconds(30);

/// For strangers: without the gateways, which are the operator's affair.
std::unexpected<protocol::Problem> refuse_fetch(
    const Error& error, const content::Cid& root, const FetchAllowance::Grant& grant) {
    const std::string cid = root.to_string();
    if (error == make_error_code(CommonError::not_found)) {
        return refuse(404, Status::bad_request,
            "neither this provider nor a content source of it holds " + cid,
            "decloud deploy sends a deployment to a provider");
    }
    if (error == make_error_code(CommonError::corrupt)) {
        return refuse(502, Status::server_error,
            "a content source of this provider sent something else than " + cid +
                "; it is not used, and nothing was charged");
    }
    if (error == make_error_code(CommonError::limit_exceeded)) {
        return refuse(502, Status::server_error,
            fmt::format("{} is more than the {} bytes that this provider fetches for this address "
                        "now; nothing was charged",
                cid, grant.bytes));
    }
    if (error == make_error_code(CommonError::timeout)) {
        return refuse(
            504, Status::server_error, cid + " could not be fetched in time; nothing was charged");
    }
    if (error == make_error_code(CommonError::unavailable)) {
        return refuse(502, Status::server_error,
            "no content source of this provider gives " + cid + "; nothing was charged");
    }
    return refuse(503, Status::server_error, cid + " could not be fetched; nothing was charged");
}

std::unexpected<protocol::Problem> refuse_more(const Error& error, std::chrono::seconds wait) {
    const bool busy = error == make_error_code(CommonError::unavailable);
    auto refusal = refuse(busy ? 503 : 429, busy ? Status::server_error : Status::declined,
        "what this call needs is not here, and " + error.detail(),
        "decloud deploy sends a deployment to a provider");
    refusal.error().headers.emplace_back("Retry-After", busy ? "5" : std::to_string(wait.count()));
    return refusal;
}

}  // namespace

/// What one or more calls wait for.
struct ContentSources::Fetching {
    explicit Fetching(async::Executor executor) : done(std::move(executor)) {}
    async::Event done;
    FetchAllowance::Grant grant;
    steady_clock::time_point began = steady_clock::now();
    std::uint64_t bytes = 0;
    Result<void> result = fail(CommonError::cancelled, "the provider is stopping");
};

struct ContentSources::Thread {
    explicit Thread(ContentPlaces places)
        : gateways(std::move(places.gateways)),
          has_routers(!places.routers.empty()),
          strangers(pool.get_executor(), {}, std::move(places.strangers)),
          routers(trusted, std::move(places.routers)) {}

    [[nodiscard]] ipfs::Places places() {
        return {.gateways = gateways,
            .trusted = trusted,
            .routers = has_routers ? &routers : nullptr,
            .strangers = strangers};
    }

    async::Task<void> end() {
        work.cancel();
        co_await work.join();
        co_await trusted.stop();
        co_await strangers.stop();
    }

    std::vector<net::Url> gateways;
    bool has_routers;
    boost::asio::thread_pool pool{1};
    net::http::Client trusted{pool.get_executor(), {}, net::OutboundPolicy::trusted()};
    net::http::Client strangers;
    ipfs::Routers routers;
    async::TaskGroup work{pool.get_executor()};
};

ContentSources::ContentSources(async::Executor executor,
    ContentPlaces places,
    FetchRules rules,
    content::BlockStore& blocks,
    content::PrivateBlocks& private_blocks,
    const Clock& clock)
    : executor_(std::move(executor)),
      allowance_(rules),
      blocks_(blocks),
      private_blocks_(private_blocks),
      clock_(clock),
      thread_(std::make_unique<Thread>(std::move(places))) {}

ContentSources::~ContentSources() = default;

/// Runs on the thread.
async::Task<void> ContentSources::work(
    std::shared_ptr<Fetching> fetching, content::Cid root, FetchAllowance::Grant grant) {
    // However this ends, those who wait are told, on their own thread.
    struct Report {
        ContentSources& sources;
        std::string key;
        std::shared_ptr<Fetching> fetching;
        Report(ContentSources& of, std::string named, std::shared_ptr<Fetching> what)
            : sources(of), key(std::move(named)), fetching(std::move(what)) {}
        Report(const Report&) = delete;
        Report& operator=(const Report&) = delete;
        ~Report() {
            boost::asio::post(sources.executor_,
                [&sources = sources, key = std::move(key), fetching = std::move(fetching)] {
                    sources.finish(key, fetching);
                });
        }
    };
    const Report report(*this, to_hex(root.hash().to_bytes()), fetching);
    ipfs::FetchLimits limits{.max_bytes = grant.bytes,
        .max_blocks = kMostBlocks,
        .time = std::chrono::duration_cast<std::chrono::milliseconds>(grant.time)};
    limits.before_commit = [&](const std::unordered_set<content::Cid>& cids) {
        return private_blocks_.add(cids, blocks_, clock_.unix_seconds());
    };
    limits.progress = [&fetching](std::uint64_t bytes) { fetching->bytes = bytes; };
    const std::string cid = root.to_string();
    const auto fetched = co_await ipfs::fetch_from_places(
        thread_->places(), std::move(root), {}, blocks_, std::move(limits));
    if (!fetched) {
        log::warning("node", "{} could not be fetched: {}", cid, fetched.error().message());
        fetching->result = fail(fetched.error());
        co_return;
    }
    for (const std::string& dropped : fetched->dropped) {
        log::warning("node", "while {} was fetched, a source was dropped: {}", cid, dropped);
    }
    log::info("node", "fetched {}, {} bytes, for a call", cid, fetched->bytes);
    fetching->result = {};
}

void ContentSources::finish(const std::string& key, const std::shared_ptr<Fetching>& fetching) {
    under_way_.erase(key);
    allowance_.give_back(fetching->grant, fetching->bytes, steady_clock::now() - fetching->began);
    fetching->done.set();
}

async::Task<Checked<void>> ContentSources::fetch(
    content::Cid root, std::uint64_t max_bytes, services::FetchAsker asker) {
    if (stopped_) {
        co_return refuse_fetch(Error(CommonError::cancelled), root, {});
    }
    const std::string key = to_hex(root.hash().to_bytes());
    std::shared_ptr<Fetching> fetching;
    if (const auto found = under_way_.find(key); found != under_way_.end()) {
        fetching = found->second;
    } else {
        const auto now = steady_clock::now();
        auto grant = allowance_.take({.client = std::move(asker.client),
                                         .bytes = max_bytes + kOverheadBytes,
                                         .time = asker.until - now},
            now);
        if (!grant) {
            co_return refuse_more(grant.error(), allowance_.wait(now));
        }
        fetching = std::make_shared<Fetching>(executor_);
        fetching->grant = *grant;
        under_way_.emplace(key, fetching);
        boost::asio::post(thread_->pool, [this, fetching, root, grant = std::move(*grant)] {
            thread_->work.spawn(work(fetching, root, grant));
        });
    }
    const auto waited = co_await fetching->done.wait(
        std::max(asker.until - steady_clock::now(), steady_clock::duration::zero()) + kPatience);
    if (!waited) {
        co_return refuse_fetch(waited.error(), root, fetching->grant);
    }
    if (!fetching->result) {
        co_return refuse_fetch(fetching->result.error(), root, fetching->grant);
    }
    co_return Checked<void>{};
}

async::Task<void> ContentSources::stop() {
    if (std::exchange(stopped_, true)) {
        co_return;
    }
    // Asio would cancel from this thread what may be over in the other one.
    co_await boost::asio::co_spawn(thread_->pool, thread_->end(),
        boost::asio::bind_cancellation_slot(
            boost::asio::cancellation_slot(), boost::asio::use_awaitable));
}

std::unique_ptr<ContentSources> make_content_sources(async::Executor executor,
    ContentPlaces places,
    content::BlockStore& blocks,
    content::PrivateBlocks& private_blocks,
    const Clock& clock) {
    if (places.gateways.empty() && places.routers.empty()) {
        return nullptr;
    }
    return std::make_unique<ContentSources>(
        std::move(executor), std::move(places), FetchRules{}, blocks, private_blocks, clock);
}

}  // namespace decloud::node
