#include "block_fetcher.hpp"

#include "../pages.hpp"
#include "gateway_client.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/multiformats/car.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <utility>

namespace decloud::ipfs::internal {

namespace {

using content::Cid;

constexpr std::size_t kReadBytes = std::size_t{256} << 10U;
constexpr std::string_view kCar = "application/vnd.ipld.car";
constexpr int kMostFailures = 3;
constexpr int kGone = 410;
/// Blocks sent twice are borne up to this, or as much as was new.
constexpr std::uint64_t kRepeatedBytes = std::uint64_t{16} << 20U;

/// What a gateway sends that is no answer to what was asked.
bool is_lie(const Error& error) {
    return error == make_error_code(CommonError::corrupt) ||
           error == make_error_code(CommonError::limit_exceeded) ||
           error == make_error_code(CommonError::permission_denied) ||
           error == make_error_code(CommonError::timeout) ||
           error == make_error_code(CommonError::conflict);
}

/// Accepts blocks of a CAR that the blocks before them lead to, however it spells their ids.
class CarFilter {
  public:
    using Keep = std::function<Result<void>(const Cid&, BytesView)>;

    CarFilter(const Cid& root, Keep keep) : keep_(std::move(keep)) {
        wanted_.emplace(root.hash(), root);
    }

    Result<void> take(const Cid& spelled, BytesView data) {
        if (received_.contains(spelled.hash())) {
            repeated_ += data.size();
            return repeated_ > std::max(kRepeatedBytes, bytes_)
                       ? fail(CommonError::conflict, "it sends the same blocks again and again")
                       : Result<void>{};
        }
        const auto wanted = wanted_.find(spelled.hash());
        if (wanted == wanted_.end()) {
            return fail(
                CommonError::conflict, "it sent " + spelled.to_string() + ", not asked for");
        }
        const Cid cid = wanted->second;
        TRY_VOID(keep_(cid, data));
        TRY_VOID(want_links(cid, data));
        received_.insert(cid.hash());
        bytes_ += data.size();
        return {};
    }

    [[nodiscard]] std::size_t received() const { return received_.size(); }

  private:
    Result<void> want_links(const Cid& cid, BytesView data) {
        TRY(auto links, content::block_links(cid, data));
        for (Cid& link : links) {
            // What is in an id itself is not sent. It ends, as each is shorter than the one around.
            if (link.hash().code() == multiformats::HashCode::identity) {
                TRY_VOID(want_links(link, link.hash().digest()));
            }
            multiformats::Multihash hash = link.hash();
            wanted_.emplace(std::move(hash), std::move(link));
        }
        return {};
    }

    std::unordered_map<multiformats::Multihash, Cid> wanted_;
    std::unordered_set<multiformats::Multihash> received_;
    Keep keep_;
    std::uint64_t bytes_ = 0;
    std::uint64_t repeated_ = 0;
};

/// Optional, because a time-out has to give something else.
async::Task<Result<std::optional<net::http::ClientResponse>>> open_car(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    net::Url url) {
    CO_TRY(auto response, co_await get_following(client, std::move(url),
                              std::string(kCar) + "; version=1; order=dfs; dups=n"));
    if (response.status() == 404 || response.status() == kGone) {
        co_return fail(CommonError::not_found);
    }
    const std::string type(response.head().headers.find("Content-Type").value_or(""));
    if (response.status() != 200 || !type.starts_with(kCar)) {
        // Who answers that it cannot has not lied.
        co_return fail(response.status() == 200 ? CommonError::conflict : CommonError::unavailable,
            fmt::format("it answered {} with {:?}", response.status(), type.substr(0, 64)));
    }
    co_return std::move(response);
}

}  // namespace

BlockFetcher::BlockFetcher(async::Executor executor,
    net::http::Client& client,
    std::vector<Source>& sources,
    content::StagedBlocks& staged,
    const FetchedBlocks& blocks,
    const FetchLimits& limits)
    : executor_(executor),
      client_(client),
      sources_(sources),
      staged_(staged),
      blocks_(blocks),
      limits_(limits),
      deadline_(std::chrono::steady_clock::now() + limits.time),
      changed_(executor),
      idle_(executor) {}

std::chrono::steady_clock::duration BlockFetcher::time_left() const {
    const auto left = deadline_ - std::chrono::steady_clock::now();
    return std::clamp<std::chrono::steady_clock::duration>(
        left, std::chrono::milliseconds(0), limits_.block_time);
}

void BlockFetcher::end(Error error) {
    if (!failed_) {
        failed_ = std::move(error);
    }
}

void BlockFetcher::blame(Source& source, const Error& error) {
    source.reason = error == make_error_code(CommonError::timeout)
                        ? "it is slow: " + error.message()
                        : error.message();
    ++source.failures;
    source.lied |= is_lie(error) && error != make_error_code(CommonError::timeout);
    source.dropped = is_lie(error) || source.failures >= kMostFailures;
}

Result<void> BlockFetcher::check_time() const {
    return std::chrono::steady_clock::now() < deadline_
               ? Result<void>{}
               : fail(CommonError::timeout, "it took too long");
}

Result<void> BlockFetcher::keep(const Cid& cid, BytesView data) {
    bytes_ += data.size();
    ++count_;
    if (limits_.progress) {
        limits_.progress(bytes_);
    }
    if (bytes_ > limits_.max_bytes || count_ > limits_.max_blocks) {
        // What was asked for is too large, whoever sends it.
        const Error error(CommonError::limit_exceeded,
            fmt::format("more than {} bytes or {} blocks", limits_.max_bytes, limits_.max_blocks));
        end(error);
        return fail(error);
    }
    if (limits_.before_commit) {
        kept_.insert(cid);
    }
    return staged_.put(cid, data);
}

Result<void> BlockFetcher::follow(const Want& want, BytesView data) {
    if (!whole_) {
        return {};
    }
    if (want.depth >= content::kMaxBlockDepth) {
        return fail(CommonError::limit_exceeded, "block " + want.cid.to_string() + ": too deep");
    }
    TRY(auto links, content::block_links(want.cid, data));
    for (Cid& link : links) {
        TRY_VOID(this->want(std::move(link), want.depth + 1));
    }
    return {};
}

Result<void> BlockFetcher::want(Cid cid, std::size_t depth) {
    if (!seen_.insert(cid).second) {
        return {};
    }
    TRY(const auto held, blocks_.get(cid));
    Want want{.cid = std::move(cid), .depth = depth, .asked = {}};
    if (held) {
        return follow(want, *held);
    }
    wanted_.push_back(std::move(want));
    return {};
}

std::optional<BlockFetcher::Want> BlockFetcher::take(std::size_t source) {
    for (std::size_t at = wanted_.size(); at-- > 0;) {
        const auto place = wanted_.begin() + static_cast<std::ptrdiff_t>(at);
        if (place->asked.empty() || !place->asked[source]) {
            std::optional<Want> taken(std::move(*place));
            wanted_.erase(place);
            return taken;
        }
    }
    return std::nullopt;
}

bool BlockFetcher::is_hopeless(const Want& want) const {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        if (!sources_[i].dropped && (want.asked.empty() || !want.asked[i])) {
            return false;
        }
    }
    return true;
}

async::Task<Result<std::optional<Bytes>>> BlockFetcher::ask(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Source& source,
    Cid cid) {
    co_return co_await async::with_timeout(
        time_left(), get_block(client_, source.url, std::move(cid)));
}

Result<void> BlockFetcher::settle(std::size_t number, Want want, Result<std::optional<Bytes>> got) {
    Source& source = sources_[number];
    const std::optional<Bytes> data = got ? std::move(*got) : std::nullopt;
    if (data) {
        source.failures = 0;
        TRY_VOID(keep(want.cid, *data));
        TRY_VOID(follow(want, *data));
        return wanted_.empty() ? Result<void>{} : check_time();
    }
    if (got) {
        want.asked.resize(sources_.size());
        want.asked[number] = true;
        source.reason = "it lacks " + want.cid.to_string();
    } else {
        blame(source, got.error());
    }
    TRY_VOID(check_time());
    wanted_.push_back(std::move(want));
    if (std::ranges::any_of(wanted_, [this](const Want& each) { return is_hopeless(each); })) {
        return fail(CommonError::unavailable);
    }
    return {};
}

async::Task<void> BlockFetcher::work(std::size_t source) {
    while (!failed_ && !sources_[source].dropped && (!wanted_.empty() || in_flight_ > 0)) {
        auto next = take(source);
        if (!next) {
            // What is left is under way elsewhere; its links may be for us.
            (void)co_await changed_.wait(limits_.block_time);
            continue;
        }
        ++in_flight_;
        auto got = co_await ask(sources_[source], next->cid);
        --in_flight_;
        if (auto settled = settle(source, std::move(*next), std::move(got)); !settled) {
            end(std::move(settled.error()));
        }
        changed_.set();
        changed_.reset();
    }
    if (--working_ == 0) {
        idle_.set();
    }
}

async::Task<void> BlockFetcher::join(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    async::TaskGroup& workers) {
    // They use this object: whoever cancels waits until they have ended.
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    while (working_ > 0) {
        const auto waited = co_await idle_.wait(limits_.block_time);
        if (!waited && waited.error() == make_error_code(CommonError::cancelled)) {
            end(waited.error());
            workers.cancel();
            break;
        }
    }
    co_await workers.join();
    co_await boost::asio::this_coro::throw_if_cancelled(true);
}

async::Task<Result<void>> BlockFetcher::fetch(std::vector<Cid> roots, bool whole) {
    whole_ = whole;
    seen_.clear();
    for (Cid& root : roots) {
        CO_TRY_VOID(want(std::move(root), 0));
    }
    if (wanted_.empty()) {
        co_return Result<void>{};
    }
    idle_.reset();
    working_ = 0;
    async::TaskGroup workers(executor_);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        for (std::size_t slot = 0; slot < limits_.requests && !sources_[i].dropped; ++slot) {
            ++working_;
            workers.spawn(work(i));
        }
    }
    co_await join(workers);
    if (failed_) {
        co_return fail(*failed_);
    }
    co_return wanted_.empty() ? Result<void>{} : fail(CommonError::unavailable);
}

async::Task<Result<void>> BlockFetcher::take_car(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Source& source,
    Cid root,
    std::string path) {
    const auto read = co_await read_car(source, std::move(root), std::move(path));
    if (failed_) {
        co_return fail(*failed_);
    }
    CO_TRY_VOID(check_time());
    if (!read && read.error() != make_error_code(CommonError::not_found)) {
        blame(source, read.error());
    }
    co_return Result<void>{};
}

async::Task<Result<void>> BlockFetcher::read_car(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Source& source,
    Cid root,
    std::string path) {
    net::Url url = below(source.url, fmt::format("/ipfs/{}{}?format=car&dag-scope=all&car-dups=n",
                                         root.to_string(), escape_path(path)));
    CO_TRY(
        auto opened, co_await async::with_timeout(time_left(), open_car(client_, std::move(url))));
    if (!opened) {
        co_return fail(CommonError::timeout);
    }
    CarFilter filter(root, [this](const Cid& cid, BytesView data) {
        auto kept = keep(cid, data);
        if (!kept) {
            end(kept.error());
        }
        return kept;
    });
    multiformats::CarReader reader(
        {}, [](const std::vector<Cid>&) { return Result<void>{}; },
        [&filter](const Cid& cid, BytesView data) { return filter.take(cid, data); });
    Bytes buffer(kReadBytes);
    auto newest = std::chrono::steady_clock::now();
    for (std::size_t blocks = 0;;) {
        CO_TRY(const std::size_t size,
            co_await async::with_timeout(time_left(), opened->read(buffer)));
        if (size == 0) {
            co_return reader.finish();
        }
        CO_TRY_VOID(reader.write(BytesView(buffer).first(size)));
        CO_TRY_VOID(check_time());
        const auto now = std::chrono::steady_clock::now();
        newest = std::exchange(blocks, filter.received()) == filter.received() ? newest : now;
        if (now - newest > limits_.block_time) {
            co_return fail(CommonError::timeout, "no block for too long");
        }
    }
}

}  // namespace decloud::ipfs::internal
