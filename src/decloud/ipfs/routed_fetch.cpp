#include "routed_fetch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::ipfs {

namespace {

using std::chrono::steady_clock;

/// Each may have us hold a block that does not come to its end.
constexpr std::size_t kRequestsOfStranger = 2;

std::chrono::milliseconds since(steady_clock::time_point began) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - began);
}

/// What one gateway lacks or breaks another may give.
bool may_be_elsewhere(const Error& error) {
    return error == make_error_code(CommonError::not_found) ||
           error == make_error_code(CommonError::corrupt) ||
           error == make_error_code(CommonError::unavailable);
}

/// Of two attempts: a lie outweighs an absence, and each says why it failed.
Error joined(const Error& first, const Error& second) {
    const bool is_first = second == make_error_code(CommonError::not_found);
    return {
        (is_first ? first : second).code(), fmt::format("{}; {}", first.detail(), second.detail())};
}

async::Task<Result<Fetched>> fetch_found(Places places,
    content::Cid root,
    std::string path,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    content::BlockStore& store,
    FetchLimits limits) {
    const auto began = steady_clock::now();
    CO_TRY(auto found, co_await places.routers->find(root));
    if (found.empty()) {
        co_return fail(CommonError::not_found,
            fmt::format("no router knows a gateway with {}", root.to_string()));
    }
    limits.time -= std::min(limits.time, since(began));
    limits.requests = std::min(limits.requests, kRequestsOfStranger);
    co_return co_await fetch_content(places.strangers, std::move(found), std::move(root),
        std::move(path), store, std::move(limits));
}

}  // namespace

async::Task<Result<Fetched>> fetch_from_places(Places places,
    content::Cid root,
    std::string path,
    content::BlockStore& store,
    FetchLimits limits) {
    if (places.routers == nullptr) {
        co_return co_await fetch_content(places.trusted, std::move(places.gateways),
            std::move(root), std::move(path), store, std::move(limits));
    }
    if (places.gateways.empty()) {
        co_return co_await fetch_found(
            std::move(places), std::move(root), std::move(path), store, std::move(limits));
    }
    const auto began = steady_clock::now();
    std::uint64_t spent = 0;
    FetchLimits first = limits;
    first.progress = [&spent, told = limits.progress](std::uint64_t bytes) {
        spent = bytes;
        if (told) {
            told(bytes);
        }
    };
    auto fetched = co_await fetch_content(
        places.trusted, std::exchange(places.gateways, {}), root, path, store, std::move(first));
    if (fetched || !may_be_elsewhere(fetched.error())) {
        co_return fetched;
    }
    limits.max_bytes -= std::min(limits.max_bytes, spent);
    limits.time -= std::min(limits.time, since(began));
    limits.progress = [spent, told = std::move(limits.progress)](std::uint64_t bytes) {
        if (told) {
            told(spent + bytes);
        }
    };
    auto found = co_await fetch_found(
        std::move(places), std::move(root), std::move(path), store, std::move(limits));
    if (!found) {
        co_return fail(joined(fetched.error(), found.error()));
    }
    co_return found;
}

}  // namespace decloud::ipfs
