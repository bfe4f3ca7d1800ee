#pragma once

#include "signed_structs.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <chrono>
#include <cstdint>

namespace decloud::identity {

/// How long a delegation may last, and how long before its end a new one is due (design §2, Keys).
inline constexpr std::chrono::days kLongestDelegation{90};
inline constexpr std::chrono::days kDelegationWarning{14};

/// What `make_delegation` signs, for who signs elsewhere. Error: invalid_input if it lasts over 90
/// days.
[[nodiscard]] Result<Delegation> new_delegation(const Address& account,
    const Bytes32& node,
    const crypto::Ed25519PublicKey& key,
    std::uint64_t epoch,
    UnixSeconds now,
    std::chrono::seconds duration);

/// The account allows the node's identity key from now (less five minutes for clocks that differ)
/// on. `node` is the namehash of the provider's name. Error: invalid_input if it lasts over 90
/// days.
[[nodiscard]] Result<Signed<Delegation>> make_delegation(const crypto::Secp256k1PrivateKey& account,
    const Bytes32& node,
    const crypto::Ed25519PublicKey& key,
    std::uint64_t epoch,
    UnixSeconds now,
    std::chrono::seconds duration,
    const Domain& domain);

/// What a verifier knows from the registry.
struct DelegationExpectation {
    /// The name's `addr` record.
    Address account{};
    Bytes32 node{};
    /// The resolver's text record `org.decloud.lowest-epoch`, 0 if there is none.
    std::uint64_t lowest_epoch = 0;
};

/// The key that may sign for the provider now. Errors: bad_signature, wrong_delegation, revoked,
/// not_yet_valid, expired.
[[nodiscard]] Result<crypto::Ed25519PublicKey> verify_delegation(
    const Signed<Delegation>& statement,
    const DelegationExpectation& expected,
    UnixSeconds now,
    const Domain& domain);

/// True in the last 14 days: it is time to sign a new one.
[[nodiscard]] bool expires_soon(const Delegation& delegation, UnixSeconds now);

}  // namespace decloud::identity
