#include "fetch.hpp"

#include "internal/block_fetcher.hpp"

#include <decloud/content/reader.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::ipfs {

namespace {

using content::Cid;
using internal::Source;

std::vector<std::string> reasons(const std::vector<Source>& sources, bool dropped_only) {
    std::vector<std::string> out;
    for (const Source& source : sources) {
        if (!dropped_only || source.dropped) {
            out.push_back(source.url.to_string() + ": " +
                          (source.reason.empty() ? "nothing" : source.reason));
        }
    }
    return out;
}

CommonError kind_of_failure(const std::vector<Source>& sources) {
    if (std::ranges::any_of(sources, &Source::lied)) {
        return CommonError::corrupt;
    }
    const bool all_lack = std::ranges::all_of(
        sources, [](const Source& source) { return !source.dropped && source.failures == 0; });
    return all_lack && !sources.empty() ? CommonError::not_found : CommonError::unavailable;
}

/// The cid at the end of the path, once the blocks that lead there have been fetched.
async::Task<Result<Cid>> walk(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    internal::BlockFetcher& fetcher,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    internal::FetchedBlocks& blocks,
    Cid root,
    std::string path) {
    for (;;) {
        (void)blocks.take_missing();
        auto end = content::resolve_path(blocks, root, path);
        const auto missing = blocks.take_missing();
        if (end || !missing) {
            co_return end;
        }
        CO_TRY_VOID(co_await fetcher.fetch({*missing}, false));
    }
}

async::Task<Result<Cid>> fetch_all(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    internal::BlockFetcher& fetcher,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    internal::FetchedBlocks& blocks,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    std::vector<Source>& sources,
    Cid root,
    std::string path) {
    if (sources.size() == 1) {
        CO_TRY_VOID(co_await fetcher.take_car(sources.front(), root, path));
    }
    CO_TRY(Cid end, co_await walk(fetcher, blocks, std::move(root), std::move(path)));
    CO_TRY_VOID(co_await fetcher.fetch({end}, true));
    co_return end;
}

}  // namespace

async::Task<Result<Fetched>> fetch_content(net::http::Client& client,
    std::vector<net::Url> gateways,
    Cid root,
    std::string path,
    content::BlockStore& store,
    FetchLimits limits) {
    std::vector<Source> sources;
    sources.reserve(gateways.size());
    for (net::Url& gateway : gateways) {
        sources.push_back({.url = std::move(gateway)});
    }
    CO_TRY(const auto staged, store.stage());
    internal::FetchedBlocks blocks(store, *staged);
    internal::BlockFetcher fetcher(
        co_await boost::asio::this_coro::executor, client, sources, *staged, blocks, limits);
    auto end = co_await fetch_all(fetcher, blocks, sources, root, std::move(path));
    if (!end && end.error() == make_error_code(CommonError::unavailable)) {
        co_return fail(kind_of_failure(sources),
            fmt::format("no gateway gave {}: {}", root.to_string(),
                sources.empty() ? "none was asked"
                                : fmt::to_string(fmt::join(reasons(sources, false), "; "))));
    }
    if (!end) {
        co_return fail(std::move(end.error()));
    }
    if (limits.before_commit) {
        CO_TRY_VOID(limits.before_commit(fetcher.kept()));
    }
    CO_TRY_VOID(staged->commit());
    co_return Fetched{
        .end = std::move(*end), .bytes = fetcher.bytes(), .dropped = reasons(sources, true)};
}

}  // namespace decloud::ipfs
