#pragma once

#include "multibase.hpp"
#include "multihash.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace decloud::multiformats {

/// What a block's bytes are, by the multicodec table. Values outside the names are carried as they
/// are.
enum class Codec : std::uint64_t {
    raw = 0x55,
    dag_pb = 0x70,
    dag_cbor = 0x71,
    libp2p_key = 0x72,
    dag_json = 0x0129,
    json = 0x0200,
};

/// A content id (CIDv0 or CIDv1). Always well-formed. A value: copies are independent.
class Cid {
  public:
    /// Longest text that `parse` looks at.
    static constexpr std::size_t kMaxText = 512;

    /// Any codec and hash function.
    [[nodiscard]] static Cid v1(Codec codec, Multihash hash) { return {1, codec, std::move(hash)}; }
    /// dag-pb and sha2-256 only. Error: invalid_input.
    [[nodiscard]] static Result<Cid> v0(Multihash hash);
    /// CIDv1 with sha2-256, the kind decloud makes.
    [[nodiscard]] static Cid of(Codec codec, BytesView data);

    /// CIDv0 ("Qm…") or CIDv1 in any multibase of multibase.hpp. Nothing may surround it.
    /// Errors: invalid_input, limit_exceeded.
    [[nodiscard]] static Result<Cid> parse(std::string_view text);
    /// The whole of `bytes`. Errors: invalid_input, limit_exceeded.
    [[nodiscard]] static Result<Cid> from_bytes(BytesView bytes);

    /// Of `read`, defined below.
    struct Decoded;
    /// A CID at the start of `input`. Errors: invalid_input, limit_exceeded, unavailable if cut
    /// short.
    [[nodiscard]] static Result<Decoded> read(BytesView input);

    /// 0 or 1.
    [[nodiscard]] int version() const { return version_; }
    /// What the block's bytes are; dag-pb for every v0.
    [[nodiscard]] Codec codec() const { return codec_; }
    /// Lives as long as this object.
    [[nodiscard]] const Multihash& hash() const { return hash_; }

    /// The binary form: the multihash alone for v0; version, codec and multihash for v1.
    [[nodiscard]] Bytes to_bytes() const;
    /// The usual text: base58btc without prefix for v0, base32 for v1.
    [[nodiscard]] std::string to_string() const;
    /// CIDv1 text in another base; a v0 is turned into the equal v1 first.
    [[nodiscard]] std::string to_string(Multibase base) const;
    /// The same content as CIDv1.
    [[nodiscard]] Cid to_v1() const { return {1, codec_, hash_}; }

    /// Succeeds if `data` is what this names. Errors: corrupt naming the cid; invalid_input for a
    /// hash function that is not computed here.
    [[nodiscard]] Result<void> verify(BytesView data) const;

    friend auto operator<=>(const Cid&, const Cid&) = default;
    friend bool operator==(const Cid&, const Cid&) = default;

  private:
    Cid(int version, Codec codec, Multihash hash)
        : version_(version), codec_(codec), hash_(std::move(hash)) {}

    int version_;
    Codec codec_;
    Multihash hash_;
};

/// A cid and how many bytes of the input it took.
struct Cid::Decoded {
    Cid cid;
    std::size_t size = 0;
};

/// A block: a content id and its bytes. Whoever makes one has verified it or says that it is not.
struct Block {
    Cid cid;
    Bytes data;
};

/// Largest block that is stored or exchanged (Bitswap 1.2.0's limit too).
inline constexpr std::size_t kMaxBlock = std::size_t{2} << 20U;

}  // namespace decloud::multiformats

/// For unordered containers: of the multihash alone, without version and codec.
template <>
struct std::hash<decloud::multiformats::Cid> {
    /// Equal cids have equal hashes.
    std::size_t operator()(const decloud::multiformats::Cid& cid) const noexcept {
        return std::hash<decloud::multiformats::Multihash>{}(cid.hash());
    }
};
