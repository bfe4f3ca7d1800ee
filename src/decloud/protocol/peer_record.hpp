#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/net/url.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::protocol {

/// How long a record may hold, and the most of its text.
inline constexpr std::uint64_t kLongestPeerRecordSeconds = 24 * 60 * 60;
inline constexpr std::size_t kMaxPeerRecordBytes = 4096;

/// What a node says of itself to other nodes.
struct PeerRecord {
    /// Its did:key, which signs the record.
    std::string id;
    /// Its provider's name; may be empty.
    std::string name;
    /// Base URLs (http or https) at which it answers; at least one, at most eight.
    std::vector<net::Url> addresses;
    /// At most 64.
    std::vector<std::string> services;
    UnixSeconds issued;
    UnixSeconds expires;
    /// The signed text itself: a compact JWS (RFC 7515), which others pass on as it is.
    std::string text{};

    /// True if it names `url` as one of its addresses.
    [[nodiscard]] bool is_at(const net::Url& url) const;
};

/// Sets `id` and `text`. Errors: invalid_input, limit_exceeded for what `parse_peer_record` would
/// not take.
[[nodiscard]] Result<PeerRecord> sign_peer_record(
    PeerRecord record, const crypto::Ed25519PrivateKey& key);

/// Reads a record and checks its signature, sizes and times: it holds at `now`, give or take 30
/// seconds. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<PeerRecord> parse_peer_record(std::string_view text, UnixSeconds now);

/// As a reader wants it, without the signed text.
[[nodiscard]] json::Object to_json(const PeerRecord& record);

}  // namespace decloud::protocol
