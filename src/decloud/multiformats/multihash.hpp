#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace decloud::multiformats {

/// Hash functions by the multicodec table. All are carried, those named here can be verified.
enum class HashCode : std::uint64_t {
    identity = 0x00,
    sha2_256 = 0x12,
    sha2_512 = 0x13,
    blake2b_256 = 0xb220,
};

/// A digest and the function that made it. Always well-formed: the length fits the function, at
/// most 128 bytes.
class Multihash {
  public:
    /// Longest digest in bytes, for any function.
    static constexpr std::size_t kMaxDigest = 128;

    /// Errors: invalid_input if the length is wrong for the function; limit_exceeded above 128
    /// bytes.
    [[nodiscard]] static Result<Multihash> make(HashCode code, BytesView digest);
    /// The SHA-256 of `data`.
    [[nodiscard]] static Multihash sha2_256(BytesView data);

    /// Of `read`, defined below.
    struct Decoded;
    /// A multihash at the start of `input`. Errors: invalid_input, limit_exceeded, unavailable if
    /// cut short.
    [[nodiscard]] static Result<Decoded> read(BytesView input);

    /// The function, named or not.
    [[nodiscard]] HashCode code() const { return code_; }
    /// The function's output. Lives as long as this object.
    [[nodiscard]] BytesView digest() const { return digest_; }
    /// Function code, length and digest.
    [[nodiscard]] Bytes to_bytes() const;

    /// True if `data` hashes to this. Error: invalid_input for a function that is not computed
    /// here.
    [[nodiscard]] Result<bool> matches(BytesView data) const;

    friend auto operator<=>(const Multihash&, const Multihash&) = default;
    friend bool operator==(const Multihash&, const Multihash&) = default;

  private:
    Multihash(HashCode code, BytesView digest)
        : code_(code), digest_(digest.begin(), digest.end()) {}

    HashCode code_;
    Bytes digest_;
};

/// A multihash and how many bytes of the input it took.
struct Multihash::Decoded {
    Multihash hash;
    std::size_t size = 0;
};

}  // namespace decloud::multiformats

/// For unordered containers: of the digest alone.
template <>
struct std::hash<decloud::multiformats::Multihash> {
    /// Equal multihashes have equal hashes.
    std::size_t operator()(const decloud::multiformats::Multihash& value) const noexcept {
        return std::hash<std::string_view>{}(decloud::as_text(value.digest()));
    }
};
