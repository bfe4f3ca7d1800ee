#pragma once

#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/crypto/p256.hpp>

#include <string>
#include <string_view>
#include <variant>

namespace decloud::identity {

/// The keys that an OpenCloud id can be.
using DidKey = std::variant<crypto::Ed25519PublicKey, crypto::P256PublicKey>;

/// "did:key:z6Mk…" (Ed25519) or "did:key:zDn…" (P-256).
[[nodiscard]] std::string to_did_key(const DidKey& key);

/// Error: invalid_input for another method, base, key type or length, or a point off the curve.
[[nodiscard]] Result<DidKey> parse_did_key(std::string_view text);

/// Checks a signature by whichever key it is.
[[nodiscard]] bool verify(const DidKey& key, BytesView message, BytesView signature);

}  // namespace decloud::identity
