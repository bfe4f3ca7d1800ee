#pragma once

#include "../byte_range.hpp"
#include "../content_request.hpp"

#include <decloud/multiformats/cid.hpp>
#include <decloud/net/http/message.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace decloud::ipfs::internal {

/// Header fields of a request that an answer depends on.
struct Conditions {
    std::optional<std::string> range{};
    std::optional<std::string> if_range{};
    std::optional<std::string> if_none_match{};

    [[nodiscard]] static Conditions of(const net::http::RequestHead& head);
    /// True if the client has what this ETag names (RFC 9110 §13.1.2, weak comparison).
    [[nodiscard]] bool has_already(std::string_view etag) const;
    /// The range that is due of a representation with this ETag.
    [[nodiscard]] RangeChoice choose(std::string_view etag, std::uint64_t size) const;
};

/// CORS for everybody: any page may read what anybody may read.
void add_cors(net::http::Headers& headers);
/// On every answer; on a shared origin with what keeps the content of one cid from another's
/// (design §4).
void add_isolation(net::http::Headers& headers, bool is_shared);
/// X-Ipfs-Path and X-Ipfs-Roots.
void add_path(net::http::Headers& headers,
    const ContentRequest& request,
    std::span<const multiformats::Cid> roots);

/// "attachment; filename=…", with the name's UTF-8 beside it where ASCII does not say all.
[[nodiscard]] std::string disposition(bool attachment, std::string_view filename);

}  // namespace decloud::ipfs::internal
