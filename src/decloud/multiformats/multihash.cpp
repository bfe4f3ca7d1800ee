#include "multihash.hpp"

#include "varint.hpp"

#include <decloud/crypto/hash.hpp>
#include <decloud/crypto/wide_hash.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace decloud::multiformats {

namespace {

/// The function's digest length, or 0 where any is allowed.
std::size_t digest_size(HashCode code) {
    switch (code) {
        case HashCode::sha2_256:
        case HashCode::blake2b_256:
            return 32;
        case HashCode::sha2_512:
            return 64;
        default:
            return 0;
    }
}

}  // namespace

Result<Multihash> Multihash::make(HashCode code, BytesView digest) {
    if (digest.size() > kMaxDigest) {
        return fail(CommonError::limit_exceeded, "a digest of more than 128 bytes");
    }
    const std::size_t expected = digest_size(code);
    if (expected != 0 && digest.size() != expected) {
        return fail(CommonError::invalid_input,
            fmt::format("a digest of {} bytes where {} are due", digest.size(), expected));
    }
    return Multihash(code, digest);
}

Multihash Multihash::sha2_256(BytesView data) { return {HashCode::sha2_256, crypto::sha256(data)}; }

Result<Multihash::Decoded> Multihash::read(BytesView input) {
    TRY(const DecodedVarint code, read_varint(input));
    TRY(const DecodedVarint length, read_varint(input.subspan(code.size)));
    if (length.value > kMaxDigest) {
        return fail(CommonError::limit_exceeded, "a digest of more than 128 bytes");
    }
    const std::size_t prefix = code.size + length.size;
    if (input.size() - prefix < length.value) {
        return fail(CommonError::unavailable, "the input ends inside a digest");
    }
    TRY(Multihash hash, make(HashCode{code.value}, input.subspan(prefix, length.value)));
    return Decoded{.hash = std::move(hash), .size = prefix + length.value};
}

Bytes Multihash::to_bytes() const {
    Bytes out;
    out.reserve(digest_.size() + 4);
    append_varint(out, static_cast<std::uint64_t>(code_));
    append_varint(out, digest_.size());
    append(out, BytesView(digest_));
    return out;
}

Result<bool> Multihash::matches(BytesView data) const {
    switch (code_) {
        case HashCode::identity:
            return std::ranges::equal(data, digest_);
        case HashCode::sha2_256:
            return std::ranges::equal(crypto::sha256(data), digest_);
        case HashCode::sha2_512:
            return crypto::sha512(data) == digest_;
        case HashCode::blake2b_256:
            return crypto::blake2b_256(data) == digest_;
        default:
            return fail(CommonError::invalid_input,
                fmt::format("hash function {:#x} cannot be verified here",
                    static_cast<std::uint64_t>(code_)));
    }
}

}  // namespace decloud::multiformats
