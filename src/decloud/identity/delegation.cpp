#include "delegation.hpp"

#include <algorithm>

namespace decloud::identity {

namespace {

constexpr std::uint64_t kClockDifference = 300;

constexpr std::uint64_t seconds(std::chrono::seconds duration) {
    return static_cast<std::uint64_t>(duration.count());
}

}  // namespace

Result<Delegation> new_delegation(const Address& account,
    const Bytes32& node,
    const crypto::Ed25519PublicKey& key,
    std::uint64_t epoch,
    UnixSeconds now,
    std::chrono::seconds duration) {
    if (duration <= std::chrono::seconds(0) || duration > kLongestDelegation) {
        return fail(CommonError::invalid_input, "a delegation lasts at most 90 days");
    }
    const std::uint64_t not_before = now.value - std::min(now.value, kClockDifference);
    return Delegation{.account = account,
        .node = node,
        .ed25519_key = Bytes32{key.bytes},
        .epoch = epoch,
        .not_before = not_before,
        .expires = not_before + seconds(duration)};
}

Result<Signed<Delegation>> make_delegation(const crypto::Secp256k1PrivateKey& account,
    const Bytes32& node,
    const crypto::Ed25519PublicKey& key,
    std::uint64_t epoch,
    UnixSeconds now,
    std::chrono::seconds duration,
    const Domain& domain) {
    TRY(Delegation fields, new_delegation(account.address(), node, key, epoch, now, duration));
    return sign(fields, domain, account);
}

Result<crypto::Ed25519PublicKey> verify_delegation(const Signed<Delegation>& statement,
    const DelegationExpectation& expected,
    UnixSeconds now,
    const Domain& domain) {
    const Delegation& fields = statement.fields;
    if (fields.account != expected.account) {
        return fail(IdentityError::wrong_delegation, "it is by " + to_string(fields.account) +
                                                         ", but the name's address is " +
                                                         to_string(expected.account));
    }
    if (fields.node != expected.node) {
        return fail(IdentityError::wrong_delegation, "it is for another name");
    }
    if (fields.expires <= fields.not_before ||
        fields.expires - fields.not_before > seconds(kLongestDelegation)) {
        return fail(IdentityError::wrong_delegation, "it lasts longer than 90 days, or not at all");
    }
    TRY_VOID(verify(statement, domain));
    if (fields.epoch < expected.lowest_epoch) {
        return fail(IdentityError::revoked, "epoch " + std::to_string(fields.epoch) +
                                                " is below the lowest valid one, " +
                                                std::to_string(expected.lowest_epoch));
    }
    if (now.value < fields.not_before) {
        return fail(IdentityError::not_yet_valid,
            "it begins at " + format_utc(UnixSeconds{fields.not_before}));
    }
    if (now.value >= fields.expires) {
        return fail(
            IdentityError::expired, "it ended at " + format_utc(UnixSeconds{fields.expires}));
    }
    return crypto::Ed25519PublicKey{fields.ed25519_key.bytes};
}

bool expires_soon(const Delegation& delegation, UnixSeconds now) {
    return delegation.expires <= now.value + seconds(kDelegationWarning);
}

}  // namespace decloud::identity
