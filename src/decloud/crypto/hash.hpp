#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace decloud::crypto {

/// A SHA-256 digest, or an HMAC made with it.
using Sha256Digest = std::array<std::uint8_t, 32>;

/// FIPS 180-4.
[[nodiscard]] Sha256Digest sha256(BytesView data);
/// The same over the bytes of a text.
[[nodiscard]] inline Sha256Digest sha256(std::string_view text) { return sha256(as_bytes(text)); }

/// SHA-256 of what comes in pieces. Not thread safe; movable.
class Sha256 {
  public:
    /// Of nothing so far.
    Sha256();
    Sha256(Sha256&& other) noexcept;
    Sha256& operator=(Sha256&& other) noexcept;
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    ~Sha256();

    /// The next bytes, any number. Not after the object was moved from.
    void update(BytesView data);
    /// The same with the bytes of a text.
    void update(std::string_view text) { update(as_bytes(text)); }
    /// The digest of everything so far; the object starts again from nothing.
    [[nodiscard]] Sha256Digest finish();

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

/// Ethereum's Keccak-256 (the padding before FIPS 202).
[[nodiscard]] Bytes32 keccak256(BytesView data);
/// The same over the bytes of a text.
[[nodiscard]] inline Bytes32 keccak256(std::string_view text) { return keccak256(as_bytes(text)); }

/// RFC 2104 with SHA-256. Compare the result with `equal_constant_time`.
[[nodiscard]] Sha256Digest hmac_sha256(BytesView key, BytesView data);

}  // namespace decloud::crypto
