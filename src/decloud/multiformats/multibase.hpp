#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <string>
#include <string_view>

namespace decloud::multiformats {

/// Text encodings of the multibase table, by their prefix character. None is padded.
enum class Multibase : char {
    base16 = 'f',
    base16_upper = 'F',
    base32 = 'b',
    base32_upper = 'B',
    base36 = 'k',
    base36_upper = 'K',
    base58btc = 'z',
    base64url = 'u',
};

/// The digits alone, without the prefix.
[[nodiscard]] std::string encode_digits(Multibase base, BytesView bytes);
/// Strict: only the base's own letters (hence its case), unused bits zero. base36 and base58btc
/// take at most 1,024 characters, as their cost is quadratic. Errors: invalid_input,
/// limit_exceeded.
[[nodiscard]] Result<Bytes> decode_digits(Multibase base, std::string_view digits);

/// With the prefix in front.
[[nodiscard]] std::string encode_multibase(Multibase base, BytesView bytes);

/// What a text stood for, and in which base it was written.
struct DecodedMultibase {
    Multibase base = Multibase::base32;
    Bytes bytes;
};

/// Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<DecodedMultibase> decode_multibase(std::string_view text);

}  // namespace decloud::multiformats
