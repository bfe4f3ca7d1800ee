#pragma once

#include "cid.hpp"
#include "unixfs.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::multiformats {

/// How files and directories become blocks (IPIP-499). Two parties get equal cids only with equal
/// profiles.
struct UnixFsProfile {
    /// What is compared with `shard_threshold`.
    enum class ShardRule { names_and_cids, serialized_block };

    std::size_t chunk_size;
    std::size_t max_links;
    bool raw_leaves;
    int cid_version;
    ShardRule shard_rule;
    std::size_t shard_threshold;
    std::size_t fanout;

    /// `unixfs-v1-2025`, decloud's default.
    [[nodiscard]] static UnixFsProfile v1_2025();
    /// `unixfs-v0-2015`, what Kubo does by default.
    [[nodiscard]] static UnixFsProfile v0_2015();
};

/// Takes each finished block, children before parents. Its error ends the build and is returned.
using BlockSink = std::function<Result<void>(const Cid& cid, BytesView data)>;

/// A finished file, directory or symbolic link.
struct UnixFsEntry {
    Cid cid;
    /// Bytes of all its blocks, shared ones counted each time: the `Tsize` of a link to it.
    std::uint64_t tsize = 0;
    /// Bytes of the file itself; 0 for others.
    std::uint64_t size = 0;
};

/// A chunk of a file as a block. Errors: the sink's. Thread safe if the sink is.
[[nodiscard]] Result<UnixFsEntry> build_leaf(
    const UnixFsProfile& profile, BytesView chunk, const BlockSink& sink);

/// Turns a stream of bytes into a file, holding one chunk and the open nodes of each level.
/// Not thread safe. After an error it is only good for destruction.
class FileBuilder {
  public:
    /// An empty file so far. What `sink` refers to outlives this.
    FileBuilder(UnixFsProfile profile, BlockSink sink);

    /// The next bytes of the file, any number. Errors: the sink's.
    [[nodiscard]] Result<void> write(BytesView bytes);
    /// The next chunk, which `build_leaf` has made a block of; instead of `write`, for all of the
    /// file. Errors: the sink's.
    [[nodiscard]] Result<void> add_leaf(UnixFsEntry leaf);
    /// Ends the file. Call once. Errors: the sink's.
    [[nodiscard]] Result<UnixFsEntry> finish();

  private:
    [[nodiscard]] Result<void> flush_chunk();
    [[nodiscard]] Result<void> add(std::size_t level, UnixFsEntry entry);
    [[nodiscard]] Result<UnixFsEntry> make_node(const std::vector<UnixFsEntry>& children);

    UnixFsProfile profile_;
    BlockSink sink_;
    Bytes chunk_;
    std::vector<std::vector<UnixFsEntry>> levels_;
};

/// Collects entries and writes a directory, sharded if it is too large for one block. Not thread
/// safe.
class DirectoryBuilder {
  public:
    /// An empty directory so far. What `sink` refers to outlives this.
    DirectoryBuilder(UnixFsProfile profile, BlockSink sink);

    /// Errors: invalid_input for a name that no file can have (empty, ".", "..", with "/" or NUL,
    /// over 255 bytes, not UTF-8); already_exists.
    [[nodiscard]] Result<void> add(std::string name, UnixFsEntry entry);
    /// Errors: the sink's.
    [[nodiscard]] Result<UnixFsEntry> finish();

  private:
    UnixFsProfile profile_;
    BlockSink sink_;
    std::map<std::string, UnixFsEntry> entries_;
};

/// Errors: invalid_input above 4,096 bytes; the sink's.
[[nodiscard]] Result<UnixFsEntry> build_symlink(
    const UnixFsProfile& profile, std::string_view target, const BlockSink& sink);

/// Succeeds for a name that can be a file's in any directory: not empty, ".", "..", no "/" or NUL,
/// at most 255 bytes of UTF-8. Error: invalid_input.
[[nodiscard]] Result<void> check_entry_name(std::string_view name);

}  // namespace decloud::multiformats
