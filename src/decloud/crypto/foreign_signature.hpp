#pragma once

#include <decloud/base/bytes.hpp>

namespace decloud::crypto {

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2) under a key in DER (SubjectPublicKeyInfo) of
/// 2,048 to 8,192 bits. False for a malformed key, too.
[[nodiscard]] bool verify_rsa_sha256(BytesView key_der, BytesView message, BytesView signature);

/// ECDSA over secp256k1 with SHA-256, signature in DER, key as a compressed point (33 bytes). Other
/// than Ethereum's, a large S is taken. False for a malformed key, too.
[[nodiscard]] bool verify_secp256k1_der(BytesView key, BytesView message, BytesView signature);

}  // namespace decloud::crypto
