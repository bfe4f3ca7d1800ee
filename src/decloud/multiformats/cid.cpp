#include "cid.hpp"

#include "varint.hpp"

#include <limits>

namespace decloud::multiformats {

namespace {

constexpr std::uint8_t kSha256Code = 0x12;
constexpr std::size_t kV0Text = 46;

/// Parsed whole: what is cut short cannot be completed.
Error not_cut_short(Error error) {
    if (error.code() == CommonError::unavailable) {
        return {make_error_code(CommonError::invalid_input), "cid: " + error.detail()};
    }
    return error.within("cid");
}

}  // namespace

Result<Cid> Cid::v0(Multihash hash) {
    if (hash.code() != HashCode::sha2_256) {
        return fail(CommonError::invalid_input, "a CIDv0 has a sha2-256 hash");
    }
    return Cid(0, Codec::dag_pb, std::move(hash));
}

Cid Cid::of(Codec codec, BytesView data) { return v1(codec, Multihash::sha2_256(data)); }

Result<Cid> Cid::parse(std::string_view text) {
    if (text.size() > kMaxText) {
        return fail(CommonError::limit_exceeded, "cid: text of more than 512 characters");
    }
    if (text.size() == kV0Text && text.starts_with("Qm")) {
        TRY(const Bytes bytes, decode_digits(Multibase::base58btc, text));
        return from_bytes(bytes);
    }
    auto decoded = decode_multibase(text);
    if (!decoded) {
        return fail(decoded.error().within("cid"));
    }
    if (!decoded->bytes.empty() && decoded->bytes[0] == kSha256Code) {
        return fail(CommonError::invalid_input, "cid: a CIDv0 has no multibase prefix");
    }
    return from_bytes(decoded->bytes);
}

Result<Cid> Cid::from_bytes(BytesView bytes) {
    auto decoded = read(bytes);
    if (!decoded) {
        return fail(not_cut_short(std::move(decoded.error())));
    }
    if (decoded->size != bytes.size()) {
        return fail(CommonError::invalid_input, "cid: bytes after its end");
    }
    return std::move(decoded->cid);
}

Result<Cid::Decoded> Cid::read(BytesView input) {
    if (!input.empty() && input[0] == kSha256Code) {
        TRY(Multihash::Decoded hash, Multihash::read(input));
        TRY(Cid cid, v0(std::move(hash.hash)));
        return Decoded{.cid = std::move(cid), .size = hash.size};
    }
    TRY(const DecodedVarint version, read_varint(input));
    if (version.value != 1) {
        return fail(CommonError::invalid_input, "a cid version that is not known");
    }
    TRY(const DecodedVarint codec, read_varint(input.subspan(version.size)));
    if (codec.value > std::numeric_limits<std::int64_t>::max()) {
        return fail(CommonError::invalid_input, "a codec above 63 bits");
    }
    const std::size_t prefix = version.size + codec.size;
    TRY(Multihash::Decoded hash, Multihash::read(input.subspan(prefix)));
    return Decoded{.cid = v1(Codec{codec.value}, std::move(hash.hash)), .size = prefix + hash.size};
}

Bytes Cid::to_bytes() const {
    if (version_ == 0) {
        return hash_.to_bytes();
    }
    Bytes out;
    append_varint(out, 1);
    append_varint(out, static_cast<std::uint64_t>(codec_));
    append(out, BytesView(hash_.to_bytes()));
    return out;
}

std::string Cid::to_string() const {
    return version_ == 0 ? encode_digits(Multibase::base58btc, to_bytes())
                         : encode_multibase(Multibase::base32, to_bytes());
}

std::string Cid::to_string(Multibase base) const {
    return encode_multibase(base, to_v1().to_bytes());
}

Result<void> Cid::verify(BytesView data) const {
    TRY(const bool matches, hash_.matches(data));
    if (!matches) {
        return fail(CommonError::corrupt, "the bytes of block " + to_string() + " are not its own");
    }
    return {};
}

}  // namespace decloud::multiformats
