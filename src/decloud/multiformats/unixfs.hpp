#pragma once

#include "dag_pb.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace decloud::multiformats {

/// What a node is, by its number in the specification.
enum class UnixFsType : std::uint8_t {
    raw = 0,
    directory = 1,
    file = 2,
    metadata = 3,
    symlink = 4,
    hamt_shard = 5,
};

/// Since 1970-01-01T00:00:00Z; the nanoseconds are added.
struct UnixFsTime {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    friend bool operator==(const UnixFsTime&, const UnixFsTime&) = default;
};

/// What a dag-pb node of UnixFS holds in its data (ipfs/specs unixfs.md).
struct UnixFsData {
    UnixFsType type = UnixFsType::file;
    /// A file's bytes, a symbolic link's target, or a shard's bit field.
    std::optional<Bytes> data;
    std::optional<std::uint64_t> file_size;
    /// For a file: how many bytes of it each link leads to.
    std::vector<std::uint64_t> block_sizes;
    std::optional<std::uint64_t> hash_type;
    std::optional<std::uint64_t> fanout;
    std::optional<std::uint32_t> mode;
    std::optional<UnixFsTime> modified;
    friend bool operator==(const UnixFsData&, const UnixFsData&) = default;
};

/// The multicodec number of murmur3-x64-64, the only hash of HAMT directories.
inline constexpr std::uint64_t kMurmur3 = 0x22;

/// Protobuf with the fields in ascending order; absent ones are left out.
[[nodiscard]] Bytes encode_unixfs(const UnixFsData& data);
/// Errors: invalid_input, limit_exceeded (more than 65,536 block sizes).
[[nodiscard]] Result<UnixFsData> decode_unixfs(BytesView input);

/// A node with its UnixFS data, checked against each other: block sizes match links and add up to
/// the file size, a shard's bit field matches its links.
struct UnixFsNode {
    UnixFsData info;
    std::vector<PbLink> links;
};
/// Parses a dag-pb block as UnixFS. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<UnixFsNode> decode_unixfs_node(BytesView block);

/// First eight bytes of murmur3-x64-128 of a name, big-endian: where it goes in a HAMT.
[[nodiscard]] std::uint64_t hamt_hash(std::string_view name);
/// Digits that a shard's link names start with: 2 for a fanout of 256.
[[nodiscard]] std::size_t hamt_prefix_size(std::uint64_t fanout);

}  // namespace decloud::multiformats
