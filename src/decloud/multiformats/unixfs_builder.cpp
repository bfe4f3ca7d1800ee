#include "unixfs_builder.hpp"

#include <decloud/base/encoding.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

namespace decloud::multiformats {

namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxSymlink = 4096;
constexpr unsigned kHashBits = 64;

Result<Cid> node_cid(const UnixFsProfile& profile, BytesView block) {
    Multihash hash = Multihash::sha2_256(block);
    if (profile.cid_version == 0) {
        return Cid::v0(std::move(hash));
    }
    return Cid::v1(Codec::dag_pb, std::move(hash));
}

/// Encodes and emits a node. Its `tsize` counts what it links to.
Result<UnixFsEntry> emit_node(
    const UnixFsProfile& profile, const PbNode& node, std::uint64_t size, const BlockSink& sink) {
    const Bytes block = encode_pb(node);
    TRY(Cid cid, node_cid(profile, block));
    TRY_VOID(sink(cid, block));
    std::uint64_t tsize = block.size();
    for (const PbLink& link : node.links) {
        tsize += link.tsize.value_or(0);
    }
    return UnixFsEntry{.cid = std::move(cid), .tsize = tsize, .size = size};
}

PbLink link_to(const UnixFsEntry& entry, std::string name) {
    return {.cid = entry.cid, .name = std::move(name), .tsize = entry.tsize};
}

struct HashedEntry {
    std::uint64_t hash;
    const std::string* name;
    const UnixFsEntry* entry;
};

/// Writes the shards of a directory, deepest first.
class ShardWriter {
  public:
    ShardWriter(const UnixFsProfile& profile, const BlockSink& sink)
        : profile_(profile),
          sink_(sink),
          bits_(static_cast<unsigned>(std::countr_zero(profile.fanout))),
          digits_(hamt_prefix_size(profile.fanout)) {}

    /// `entries` are sorted by hash and agree in the first `used` bits.
    Result<UnixFsEntry> write(std::span<const HashedEntry> entries, unsigned used) {
        if (used + bits_ > kHashBits) {
            return fail(CommonError::limit_exceeded, "too many names with the same hash");
        }
        Bytes bit_field(profile_.fanout / 8, 0);
        PbNode node;
        while (!entries.empty()) {
            const std::uint64_t slot = slot_of(entries.front(), used);
            const auto end = std::ranges::find_if(
                entries, [&](const HashedEntry& entry) { return slot_of(entry, used) != slot; });
            const auto group = entries.first(static_cast<std::size_t>(end - entries.begin()));
            TRY(PbLink link, link_for(group, slot, used));
            node.links.push_back(std::move(link));
            bit_field[bit_field.size() - 1 - slot / 8] |=
                static_cast<std::uint8_t>(1U << (slot % 8));
            entries = entries.subspan(group.size());
        }
        const auto first = std::ranges::find_if(bit_field, [](std::uint8_t b) { return b != 0; });
        bit_field.erase(bit_field.begin(), first);
        node.data = encode_unixfs({.type = UnixFsType::hamt_shard,
            .data = std::move(bit_field),
            .file_size = {},
            .block_sizes = {},
            .hash_type = kMurmur3,
            .fanout = profile_.fanout,
            .mode = {},
            .modified = {}});
        return emit_node(profile_, node, 0, sink_);
    }

  private:
    [[nodiscard]] std::uint64_t slot_of(const HashedEntry& entry, unsigned used) const {
        return (entry.hash << used) >> (kHashBits - bits_);
    }

    Result<PbLink> link_for(std::span<const HashedEntry> group, std::uint64_t slot, unsigned used) {
        std::string prefix = fmt::format("{:0{}X}", slot, digits_);
        if (group.size() == 1) {
            return link_to(*group.front().entry, std::move(prefix) + *group.front().name);
        }
        TRY(const UnixFsEntry shard, write(group, used + bits_));
        return link_to(shard, std::move(prefix));
    }

    const UnixFsProfile& profile_;
    const BlockSink& sink_;
    unsigned bits_;
    std::size_t digits_;
};

}  // namespace

UnixFsProfile UnixFsProfile::v1_2025() {
    return {.chunk_size = std::size_t{1} << 20U,
        .max_links = 1024,
        .raw_leaves = true,
        .cid_version = 1,
        .shard_rule = ShardRule::serialized_block,
        .shard_threshold = std::size_t{256} << 10U,
        .fanout = 256};
}

UnixFsProfile UnixFsProfile::v0_2015() {
    return {.chunk_size = std::size_t{256} << 10U,
        .max_links = 174,
        .raw_leaves = false,
        .cid_version = 0,
        .shard_rule = ShardRule::names_and_cids,
        .shard_threshold = std::size_t{256} << 10U,
        .fanout = 256};
}

Result<UnixFsEntry> build_leaf(
    const UnixFsProfile& profile, BytesView chunk, const BlockSink& sink) {
    if (profile.raw_leaves) {
        Cid cid = Cid::of(Codec::raw, chunk);
        TRY_VOID(sink(cid, chunk));
        return UnixFsEntry{.cid = std::move(cid), .tsize = chunk.size(), .size = chunk.size()};
    }
    UnixFsData info;
    info.type = UnixFsType::file;
    if (!chunk.empty()) {
        info.data = to_bytes(chunk);
    }
    info.file_size = chunk.size();
    const PbNode node{.links = {}, .data = encode_unixfs(info)};
    return emit_node(profile, node, chunk.size(), sink);
}

FileBuilder::FileBuilder(UnixFsProfile profile, BlockSink sink)
    : profile_(profile), sink_(std::move(sink)), levels_(1) {}

Result<void> FileBuilder::write(BytesView bytes) {
    while (!bytes.empty()) {
        // A full chunk waits for one more byte, so that only an empty file has an empty leaf.
        if (chunk_.size() == profile_.chunk_size) {
            TRY_VOID(flush_chunk());
        }
        const std::size_t take = std::min(bytes.size(), profile_.chunk_size - chunk_.size());
        append(chunk_, bytes.first(take));
        bytes = bytes.subspan(take);
    }
    return {};
}

Result<void> FileBuilder::flush_chunk() {
    TRY(UnixFsEntry leaf, build_leaf(profile_, chunk_, sink_));
    chunk_.clear();
    return add_leaf(std::move(leaf));
}

Result<void> FileBuilder::add_leaf(UnixFsEntry leaf) { return add(0, std::move(leaf)); }

Result<void> FileBuilder::add(std::size_t level, UnixFsEntry entry) {
    for (;; ++level) {
        if (level == levels_.size()) {
            levels_.emplace_back();
        }
        if (levels_[level].size() < profile_.max_links) {
            levels_[level].push_back(std::move(entry));
            return {};
        }
        TRY(UnixFsEntry parent, make_node(levels_[level]));
        levels_[level].clear();
        levels_[level].push_back(std::move(entry));
        entry = std::move(parent);
    }
}

Result<UnixFsEntry> FileBuilder::finish() {
    if (!chunk_.empty() || levels_.front().empty()) {
        TRY_VOID(flush_chunk());
    }
    for (std::size_t level = 0;; ++level) {
        if (level + 1 == levels_.size() && levels_[level].size() == 1) {
            return std::move(levels_[level].front());
        }
        TRY(UnixFsEntry parent, make_node(levels_[level]));
        TRY_VOID(add(level + 1, std::move(parent)));
    }
}

Result<UnixFsEntry> FileBuilder::make_node(const std::vector<UnixFsEntry>& children) {
    UnixFsData info;
    info.type = UnixFsType::file;
    info.file_size = 0;
    PbNode node;
    for (const UnixFsEntry& child : children) {
        node.links.push_back(link_to(child, ""));
        info.block_sizes.push_back(child.size);
        *info.file_size += child.size;
    }
    node.data = encode_unixfs(info);
    return emit_node(profile_, node, *info.file_size, sink_);
}

DirectoryBuilder::DirectoryBuilder(UnixFsProfile profile, BlockSink sink)
    : profile_(profile), sink_(std::move(sink)) {}

Result<void> DirectoryBuilder::add(std::string name, UnixFsEntry entry) {
    TRY_VOID(check_entry_name(name));
    const auto [position, added] = entries_.try_emplace(std::move(name), std::move(entry));
    if (!added) {
        return fail(CommonError::already_exists, "two entries named \"" + position->first + "\"");
    }
    return {};
}

Result<UnixFsEntry> DirectoryBuilder::finish() {
    PbNode node;
    std::size_t names_and_cids = 0;
    for (const auto& [name, entry] : entries_) {
        node.links.push_back(link_to(entry, name));
        names_and_cids += name.size() + entry.cid.to_bytes().size();
    }
    UnixFsData info;
    info.type = UnixFsType::directory;
    node.data = encode_unixfs(info);
    const std::size_t measured = profile_.shard_rule == UnixFsProfile::ShardRule::names_and_cids
                                     ? names_and_cids
                                     : encode_pb(node).size();
    if (measured <= profile_.shard_threshold) {
        return emit_node(profile_, node, 0, sink_);
    }
    std::vector<HashedEntry> hashed;
    hashed.reserve(entries_.size());
    for (const auto& [name, entry] : entries_) {
        hashed.push_back({.hash = hamt_hash(name), .name = &name, .entry = &entry});
    }
    std::ranges::sort(hashed, {}, &HashedEntry::hash);
    return ShardWriter(profile_, sink_).write(hashed, 0);
}

Result<UnixFsEntry> build_symlink(
    const UnixFsProfile& profile, std::string_view target, const BlockSink& sink) {
    if (target.size() > kMaxSymlink) {
        return fail(CommonError::invalid_input, "a symbolic link's target over 4,096 bytes");
    }
    UnixFsData info;
    info.type = UnixFsType::symlink;
    info.data = to_bytes(target);
    return emit_node(profile, {.links = {}, .data = encode_unixfs(info)}, 0, sink);
}

Result<void> check_entry_name(std::string_view name) {
    const char* problem = nullptr;
    if (name.empty() || name == "." || name == "..") {
        problem = "is reserved";
    } else if (name.find('/') != std::string_view::npos) {
        problem = "has a slash";
    } else if (name.find('\0') != std::string_view::npos) {
        problem = "has a NUL";
    } else if (name.size() > kMaxName) {
        problem = "is over 255 bytes";
    } else if (!is_utf8(as_bytes(name))) {
        problem = "is not UTF-8";
    }
    if (problem != nullptr) {
        return fail(CommonError::invalid_input,
            fmt::format("the file name {:?} {}", std::string(name.substr(0, kMaxName)), problem));
    }
    return {};
}

}  // namespace decloud::multiformats
