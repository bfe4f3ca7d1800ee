#pragma once

#include "fetch.hpp"
#include "routers.hpp"

namespace decloud::ipfs {

/// Where content is looked for. What it refers to outlives the fetch.
struct Places {
    /// Asked first, by `trusted`.
    std::vector<net::Url> gateways{};
    net::http::Client& trusted;
    /// Asked who has what none of the gateways gives; null: nobody is.
    Routers* routers = nullptr;
    /// Dials the gateways that routers name: its policy is for addresses that strangers chose.
    net::http::Client& strangers;
};

/// As `fetch_content` from the gateways and, where none of them gives it, from those that the
/// routers name, within the same limits. Errors as there, not_found also if no router knows who has
/// it.
[[nodiscard]] async::Task<Result<Fetched>> fetch_from_places(Places places,
    content::Cid root,
    std::string path,
    content::BlockStore& store,
    FetchLimits limits = {});

}  // namespace decloud::ipfs
