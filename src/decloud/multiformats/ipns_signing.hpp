#pragma once

#include "ipns_record.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>

namespace decloud::multiformats {

/// The name that an Ed25519 key signs for.
[[nodiscard]] IpnsName ipns_name(const crypto::Ed25519PublicKey& key);

/// A record of the key's name with the signatures V1 and V2 (ipfs/specs ipns-record.md). Errors:
/// invalid_input for a value that is no content path; limit_exceeded for one that makes the record
/// larger than `kMaxIpnsRecord`.
[[nodiscard]] Result<Bytes> sign_ipns_record(
    const crypto::Ed25519PrivateKey& key, const IpnsRecord& record);

}  // namespace decloud::multiformats
