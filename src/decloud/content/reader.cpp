#include "reader.hpp"

#include "internal/file_part.hpp"
#include "internal/load_node.hpp"
#include "list_budget.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <ranges>

namespace decloud::content {

namespace {

using internal::bad_node;
using internal::is_file;
using internal::load_node;
using multiformats::PbLink;
using multiformats::UnixFsNode;
using multiformats::UnixFsType;

constexpr unsigned kHashBits = 64;

bool is_directory(const UnixFsNode& node) {
    return node.info.type == UnixFsType::directory || node.info.type == UnixFsType::hamt_shard;
}

/// How a shard names its slots.
struct ShardShape {
    unsigned bits;
    std::size_t digits;

    explicit ShardShape(const UnixFsNode& node)
        : bits(static_cast<unsigned>(std::countr_zero(node.info.fanout.value_or(1)))),
          digits(multiformats::hamt_prefix_size(node.info.fanout.value_or(1))) {}

    [[nodiscard]] std::string slot(std::uint64_t hash, unsigned used) const {
        return fmt::format("{:0{}X}", (hash << used) >> (kHashBits - bits), digits);
    }
};

/// Collects the entries of a directory, shard by shard.
class Lister {
  public:
    Lister(const BlockStore& store, ListBudget& budget) : store_(store), budget_(budget) {}

    Result<std::vector<DirectoryEntry>> list(const Cid& root) {
        TRY(const UnixFsNode node, load_node(store_, root));
        if (!is_directory(node)) {
            return fail(bad_node(root, "not a directory"));
        }
        if (node.info.type == UnixFsType::hamt_shard) {
            TRY_VOID(add_shard(root, node, 0));
        } else {
            for (const PbLink& link : node.links) {
                TRY_VOID(add(link, link.name.value_or("")));
            }
        }
        std::ranges::sort(entries_, {}, &DirectoryEntry::name);
        const auto repeated = std::ranges::adjacent_find(entries_, {}, &DirectoryEntry::name);
        if (repeated != entries_.end()) {
            return fail(bad_node(root, "two entries of the same name"));
        }
        return std::move(entries_);
    }

  private:
    Result<void> add(const PbLink& link, std::string name) {
        if (budget_.entries == 0) {
            return fail(CommonError::limit_exceeded,
                fmt::format("a directory of more than {} entries", entries_.size()));
        }
        if (name.size() > budget_.name_bytes) {
            return fail(CommonError::limit_exceeded, "a directory of names that are too long");
        }
        --budget_.entries;
        budget_.name_bytes -= name.size();
        entries_.push_back(
            {.name = std::move(name), .cid = link.cid, .tsize = link.tsize.value_or(0)});
        return {};
    }

    Result<void> add_shard(const Cid& cid, const UnixFsNode& node, unsigned used) {
        const ShardShape shape(node);
        if (used + shape.bits > kHashBits) {
            return fail(bad_node(cid, "a shard that is too deep"));
        }
        for (const PbLink& link : node.links) {
            const std::string full_name = link.name.value_or("");
            std::string name = full_name.substr(shape.digits);
            if (!name.empty()) {
                const std::string slot = shape.slot(multiformats::hamt_hash(name), used);
                if (!full_name.starts_with(slot)) {
                    return fail(bad_node(cid, "an entry in another's slot"));
                }
                TRY_VOID(add(link, std::move(name)));
                continue;
            }
            TRY(const UnixFsNode child, load_node(store_, link.cid));
            if (child.info.type != UnixFsType::hamt_shard ||
                child.info.fanout != node.info.fanout) {
                return fail(bad_node(link.cid, "not a shard of the same kind"));
            }
            // Shards without entries would cost reads that the limit on entries does not count.
            if (budget_.shards == 0) {
                return fail(CommonError::limit_exceeded, "a directory of too many shards");
            }
            --budget_.shards;
            TRY_VOID(add_shard(link.cid, child, used + shape.bits));
        }
        return {};
    }

    const BlockStore& store_;
    ListBudget& budget_;
    std::vector<DirectoryEntry> entries_;
};

std::unexpected<Error> no_entry(const Cid& directory, std::string_view name) {
    return fail(CommonError::not_found,
        fmt::format("no {:?} in {}", std::string(name), directory.to_string()));
}

}  // namespace

Result<NodeInfo> stat_node(const BlockStore& store, const Cid& cid) {
    TRY(const UnixFsNode node, load_node(store, cid));
    if (is_directory(node)) {
        return NodeInfo{.kind = NodeKind::directory, .size = 0};
    }
    if (node.info.type == UnixFsType::symlink) {
        return NodeInfo{.kind = NodeKind::symlink, .size = 0};
    }
    return NodeInfo{.kind = NodeKind::file, .size = node.info.file_size.value_or(0)};
}

Result<FileReader> FileReader::open(const BlockStore& store, const Cid& cid) {
    TRY(const UnixFsNode node, load_node(store, cid));
    if (!is_file(node)) {
        return fail(bad_node(cid, "not a file"));
    }
    return FileReader(store, cid, node.info.file_size.value_or(0));
}

FileReader::FileReader(const BlockStore& store, Cid root, std::uint64_t size)
    : store_(&store), root_(std::move(root)), size_(size) {
    seek(0);
}
FileReader::FileReader(FileReader&&) noexcept = default;
FileReader& FileReader::operator=(FileReader&&) noexcept = default;
FileReader::~FileReader() = default;

void FileReader::seek(std::uint64_t offset) {
    offset_ = std::min(offset, size_);
    pending_.clear();
    pending_.push_back({.cid = root_, .offset = 0, .size = size_, .depth = 0});
}

Result<Bytes> FileReader::next() {
    while (offset_ < size_ && !pending_.empty()) {
        const internal::FilePart part = std::move(pending_.back());
        pending_.pop_back();
        if (part.offset + part.size.value_or(0) <= offset_) {
            continue;
        }
        TRY(UnixFsNode node, load_node(*store_, part.cid));
        TRY_VOID(internal::open_file_part(part, node, pending_));
        Bytes data = std::move(node.info.data).value_or(Bytes{});
        const std::uint64_t skip = offset_ - part.offset;
        if (skip < data.size()) {
            data.erase(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(skip));
            offset_ += data.size();
            return data;
        }
    }
    return Bytes{};
}

Result<Bytes> read_file(const BlockStore& store, const Cid& cid, std::uint64_t max_bytes) {
    TRY(FileReader reader, FileReader::open(store, cid));
    if (reader.size() > max_bytes) {
        return fail(
            CommonError::limit_exceeded, fmt::format("file {} has {} bytes, the limit is {}",
                                             cid.to_string(), reader.size(), max_bytes));
    }
    Bytes out;
    for (;;) {
        TRY(const Bytes piece, reader.next());
        if (piece.empty()) {
            return out;
        }
        append(out, BytesView(piece));
    }
}

Result<std::vector<DirectoryEntry>> list_directory(
    const BlockStore& store, const Cid& cid, std::size_t max_entries) {
    ListBudget budget{.entries = max_entries, .shards = max_entries};
    return list_within(store, cid, budget);
}

Result<std::vector<DirectoryEntry>> list_within(
    const BlockStore& store, const Cid& cid, ListBudget& budget) {
    return Lister(store, budget).list(cid);
}

Result<Cid> find_entry(const BlockStore& store,
    const Cid& directory,
    std::string_view name,
    std::vector<Cid>* shards) {
    const std::uint64_t hash = multiformats::hamt_hash(name);
    Cid cid = directory;
    for (unsigned used = 0;;) {
        TRY(const UnixFsNode node, load_node(store, cid));
        if (!is_directory(node) || name.empty()) {
            return no_entry(directory, name);
        }
        if (node.info.type == UnixFsType::directory) {
            const auto link = std::ranges::find_if(
                node.links, [&](const PbLink& candidate) { return candidate.name == name; });
            if (link == node.links.end() || used > 0) {
                return no_entry(directory, name);
            }
            return link->cid;
        }
        const ShardShape shape(node);
        if (used + shape.bits > kHashBits) {
            return fail(bad_node(cid, "a shard that is too deep"));
        }
        const std::string slot = shape.slot(hash, used);
        const auto link = std::ranges::find_if(node.links,
            [&](const PbLink& candidate) { return candidate.name.value_or("").starts_with(slot); });
        if (link == node.links.end()) {
            return no_entry(directory, name);
        }
        const std::string found = link->name.value_or("").substr(shape.digits);
        if (!found.empty()) {
            return found == name ? Result<Cid>(link->cid) : no_entry(directory, name);
        }
        used += shape.bits;
        cid = link->cid;
        if (shards != nullptr) {
            shards->push_back(cid);
        }
    }
}

Result<Cid> resolve_path(const BlockStore& store, const Cid& root, std::string_view path) {
    Cid cid = root;
    for (const auto part : std::views::split(path, '/')) {
        const std::string_view name(part.begin(), part.end());
        if (name.empty()) {
            continue;
        }
        if (name == "..") {
            return fail(CommonError::invalid_input, "\"..\" in a path");
        }
        TRY(cid, find_entry(store, cid, name));
    }
    return cid;
}

Result<std::string> read_symlink(const BlockStore& store, const Cid& cid) {
    TRY(const UnixFsNode node, load_node(store, cid));
    if (node.info.type != UnixFsType::symlink) {
        return fail(bad_node(cid, "not a symbolic link"));
    }
    return std::string(as_text(node.info.data.value_or(Bytes{})));
}

}  // namespace decloud::content
