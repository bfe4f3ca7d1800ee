#include "did_key.hpp"

#include <decloud/multiformats/multibase.hpp>

#include <array>

namespace decloud::identity {

namespace {

constexpr std::string_view kPrefix = "did:key:";
// The longest is P-256's: 35 bytes are 48 digits.
constexpr std::size_t kMaxLength = 80;
// Varints of the multicodecs ed25519-pub (0xed) and p256-pub (0x1200).
constexpr std::array<std::uint8_t, 2> kEd25519Codec{0xed, 0x01};
constexpr std::array<std::uint8_t, 2> kP256Codec{0x80, 0x24};

}  // namespace

std::string to_did_key(const DidKey& key) {
    Bytes bytes;
    if (const auto* ed25519 = std::get_if<crypto::Ed25519PublicKey>(&key)) {
        append(bytes, kEd25519Codec);
        append(bytes, ed25519->view());
    } else {
        append(bytes, kP256Codec);
        append(bytes, std::get<crypto::P256PublicKey>(key).view());
    }
    return std::string(kPrefix) +
           multiformats::encode_multibase(multiformats::Multibase::base58btc, bytes);
}

Result<DidKey> parse_did_key(std::string_view text) {
    if (!text.starts_with(kPrefix) || text.size() > kMaxLength) {
        return fail(CommonError::invalid_input, "an OpenCloud id is a did:key");
    }
    text.remove_prefix(kPrefix.size());
    if (!text.starts_with('z')) {
        return fail(CommonError::invalid_input, "a did:key is written in base58btc, from 'z'");
    }
    TRY(const Bytes bytes,
        multiformats::decode_digits(multiformats::Multibase::base58btc, text.substr(1)));
    const BytesView view(bytes);
    if (view.size() == 2 + crypto::Ed25519PublicKey::kSize && view[0] == kEd25519Codec[0] &&
        view[1] == kEd25519Codec[1]) {
        return crypto::Ed25519PublicKey::from(view.subspan(2));
    }
    if (view.size() == 2 + crypto::P256PublicKey::kSize && view[0] == kP256Codec[0] &&
        view[1] == kP256Codec[1]) {
        TRY(const crypto::P256PublicKey key, crypto::parse_p256(view.subspan(2)));
        return key;
    }
    return fail(CommonError::invalid_input, "a did:key must hold an Ed25519 or P-256 key");
}

bool verify(const DidKey& key, BytesView message, BytesView signature) {
    return std::visit(
        [&](const auto& known) { return crypto::verify(known, message, signature); }, key);
}

}  // namespace decloud::identity
