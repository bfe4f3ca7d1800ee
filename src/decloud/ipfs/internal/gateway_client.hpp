#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace decloud::ipfs::internal {

/// A GET that follows at most three redirects, to the same host or to https. Errors: the client's;
/// permission_denied for another redirect.
[[nodiscard]] async::Task<Result<net::http::ClientResponse>> get_following(
    net::http::Client& client, net::Url url, std::string accept);

/// `gateway` with this path and query behind its own path.
[[nodiscard]] net::Url below(const net::Url& gateway, std::string_view rest);

/// One block, verified; nothing if the gateway lacks it. Errors: corrupt, limit_exceeded for one
/// that is too large, unavailable for another status, the client's.
[[nodiscard]] async::Task<Result<std::optional<Bytes>>> get_block(
    net::http::Client& client, net::Url gateway, multiformats::Cid cid);

}  // namespace decloud::ipfs::internal
