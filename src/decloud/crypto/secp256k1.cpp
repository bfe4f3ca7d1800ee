#include "secp256k1.hpp"

#include "hash.hpp"
#include "random.hpp"

#include <decloud/base/log.hpp>

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace decloud::crypto {

namespace {

void require(bool succeeded, const char* what) {
    if (!succeeded) {
        log::error("crypto", "{} failed", what);
        std::abort();
    }
}

// Randomised against side channels; used read-only afterwards, so threads share it.
const secp256k1_context* context() {
    static const secp256k1_context* const shared = [] {
        secp256k1_context* const made = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
        const auto seed = random_array<32>();
        require(secp256k1_context_randomize(made, seed.data()) == 1, "secp256k1_context_randomize");
        return made;
    }();
    return shared;
}

Secp256k1PublicKey serialize(const secp256k1_pubkey& key) {
    std::array<std::uint8_t, 65> uncompressed{};
    std::size_t length = uncompressed.size();
    secp256k1_ec_pubkey_serialize(
        context(), uncompressed.data(), &length, &key, SECP256K1_EC_UNCOMPRESSED);
    Secp256k1PublicKey out;
    std::copy(uncompressed.begin() + 1, uncompressed.end(), out.bytes.begin());
    return out;
}

}  // namespace

Address address_of(const Secp256k1PublicKey& key) {
    const Bytes32 hash = keccak256(key.view());
    Address out;
    std::copy(hash.bytes.begin() + 12, hash.bytes.end(), out.bytes.begin());
    return out;
}

Secp256k1PrivateKey::Secp256k1PrivateKey(Secret secret) : secret_(std::move(secret)) {
    secp256k1_pubkey point;
    require(secp256k1_ec_pubkey_create(context(), &point, secret_.view().data()) == 1,
        "secp256k1_ec_pubkey_create");
    public_key_ = serialize(point);
    address_ = address_of(public_key_);
}

Secp256k1PrivateKey Secp256k1PrivateKey::generate() {
    for (;;) {
        Secret secret = Secret::random(32);
        if (secp256k1_ec_seckey_verify(context(), secret.view().data()) == 1) {
            return Secp256k1PrivateKey(std::move(secret));
        }
    }
}

Result<Secp256k1PrivateKey> Secp256k1PrivateKey::from_bytes(BytesView secret) {
    if (secret.size() != 32) {
        return fail(CryptoError::invalid_key, "a secp256k1 key is 32 bytes long");
    }
    if (secp256k1_ec_seckey_verify(context(), secret.data()) != 1) {
        return fail(CryptoError::invalid_key, "not a secp256k1 key: zero or not below the order");
    }
    return Secp256k1PrivateKey(Secret(secret));
}

EcdsaSignature Secp256k1PrivateKey::sign(const Bytes32& digest) const {
    secp256k1_ecdsa_recoverable_signature signature;
    require(secp256k1_ecdsa_sign_recoverable(context(), &signature, digest.bytes.data(),
                secret_.view().data(), nullptr, nullptr) == 1,
        "secp256k1_ecdsa_sign_recoverable");
    EcdsaSignature out;
    int recovery_id = 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(
        context(), out.bytes.data(), &recovery_id, &signature);
    // Ids 2 and 3 need r beyond the order: a chance of 2⁻¹²⁷, and Ethereum has no v for them.
    require(recovery_id < 2, "secp256k1 recovery id");
    out.bytes[64] = static_cast<std::uint8_t>(27 + recovery_id);
    return out;
}

Result<Address> recover(const Bytes32& digest, BytesView signature) {
    if (signature.size() != 65) {
        return fail(CryptoError::invalid_signature, "a signature is 65 bytes long");
    }
    const int recovery_id = signature[64] - 27;
    if (recovery_id != 0 && recovery_id != 1) {
        return fail(CryptoError::invalid_signature, "v must be 27 or 28");
    }
    secp256k1_ecdsa_signature plain;
    if (secp256k1_ecdsa_signature_parse_compact(context(), &plain, signature.data()) != 1) {
        return fail(CryptoError::invalid_signature, "r or s is not below the order");
    }
    if (secp256k1_ecdsa_signature_normalize(context(), nullptr, &plain) == 1) {
        return fail(CryptoError::invalid_signature, "s is in the upper half of the order");
    }
    secp256k1_ecdsa_recoverable_signature recoverable;
    secp256k1_pubkey point;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(
            context(), &recoverable, signature.data(), recovery_id) != 1 ||
        secp256k1_ecdsa_recover(context(), &point, &recoverable, digest.bytes.data()) != 1) {
        return fail(CryptoError::invalid_signature, "no key recovers");
    }
    return address_of(serialize(point));
}

}  // namespace decloud::crypto
