#pragma once

#include "cid.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

namespace decloud::multiformats {

/// Where the parts of a CARv2 file are, in bytes from its beginning. IPLD's CARv2 specification.
struct CarV2Header {
    /// The CARv1 file within, and how long it is.
    std::uint64_t data_offset = 0;
    std::uint64_t data_size = 0;
    /// The index, which goes on to the end; 0: there is none.
    std::uint64_t index_offset = 0;

    friend bool operator==(const CarV2Header&, const CarV2Header&) = default;
};

/// The eleven bytes that every CARv2 file begins with.
inline constexpr std::array<std::uint8_t, 11> kCarV2Pragma{
    0x0a, 0xa1, 0x67, 'v', 'e', 'r', 's', 'i', 'o', 'n', 0x02};
/// Of the header behind the pragma.
inline constexpr std::size_t kCarV2HeaderBytes = 40;
/// Where the data of a file without padding is.
inline constexpr std::uint64_t kCarV2DataOffset = kCarV2Pragma.size() + kCarV2HeaderBytes;

/// Pragma and header of a file in which nothing is padded.
[[nodiscard]] Bytes encode_car_v2_start(std::uint64_t data_size, bool has_index);
/// The header behind the pragma, `kCarV2HeaderBytes` of it. Error: invalid_input if its parts
/// overlap or cannot be.
[[nodiscard]] Result<CarV2Header> decode_car_v2_header(BytesView bytes);

/// Where in the CARv1 file within a CARv2 file each block's section begins (at its length), by
/// multihash. Read in the formats IndexSorted (0x0400, which knows digests without their function)
/// and MultihashIndexSorted (0x0401), written in the latter; both as go-car writes them, whose
/// buckets are counted, which the specification does not say.
class CarIndex {
  public:
    /// Nothing is found in it yet.
    CarIndex() = default;
    /// What stands behind `index_offset`. Errors: invalid_input; not_found if the format is
    /// another one.
    [[nodiscard]] static Result<CarIndex> decode(BytesView bytes);

    /// `offset` is where the block's section begins. The first one counts of a block that comes
    /// again; one whose digest is its data is left out.
    void add(const Cid& cid, std::uint64_t offset);
    /// Nothing: not there.
    [[nodiscard]] std::optional<std::uint64_t> find(const Cid& cid) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    /// As MultihashIndexSorted. Not of one that was read without functions.
    [[nodiscard]] Bytes encode() const;

  private:
    /// Function (if known), the digest's length, digest: the order of the format.
    using Key = std::tuple<std::optional<HashCode>, std::size_t, Bytes>;
    [[nodiscard]] static Key key_of(std::optional<HashCode> code, BytesView digest) {
        return {code, digest.size(), to_bytes(digest)};
    }

    std::map<Key, std::uint64_t> entries_;
    bool has_codes_ = true;

    friend class CarIndexDecoder;
};

}  // namespace decloud::multiformats
