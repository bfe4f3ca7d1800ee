#pragma once

#include "cid.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::multiformats {

/// The name of somebody's key (ipfs/specs ipns-record.md): a multihash of the key, or the key
/// itself in an identity multihash.
class IpnsName {
  public:
    /// A CIDv1 in any base, or the multihash in base58btc ("Qm…", "12D3Koo…"). Error:
    /// invalid_input.
    [[nodiscard]] static Result<IpnsName> parse(std::string_view text);

    /// The canonical text: a CIDv1 of a libp2p key in base36.
    [[nodiscard]] std::string to_string() const;
    [[nodiscard]] const Multihash& hash() const { return hash_; }
    friend auto operator<=>(const IpnsName&, const IpnsName&) = default;

  private:
    explicit IpnsName(Multihash hash) : hash_(std::move(hash)) {}
    Multihash hash_;
};

/// Largest record that is read, in bytes.
inline constexpr std::size_t kMaxIpnsRecord = std::size_t{10} << 10U;

/// What a verified record says.
struct IpnsRecord {
    /// A content path, "/ipfs/…" or "/ipns/…".
    std::string value;
    std::uint64_t sequence = 0;
    /// After this moment it says nothing.
    UnixSeconds valid_until{};
    /// How long it may be kept without asking again.
    std::chrono::seconds ttl{};
};

/// Parses a record (V1 and V2, or V2 alone) and verifies it for `name`: the signature V2 by an
/// Ed25519, RSA or secp256k1 key, and that fields of V1 say the same. Whether it is still valid is
/// the caller's to see. Errors: invalid_input, limit_exceeded, permission_denied for a wrong
/// signature or key.
[[nodiscard]] Result<IpnsRecord> verify_ipns_record(const IpnsName& name, BytesView record);

}  // namespace decloud::multiformats
