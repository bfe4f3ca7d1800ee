#include "source_tree.hpp"

#include "internal/checked_block.hpp"
#include "internal/path_import.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace decloud::content {

namespace {

namespace fs = std::filesystem;
using internal::Descriptor;
using multiformats::BlockSink;
using multiformats::Codec;
using multiformats::Multihash;

/// Pieces that cost less to keep than to read again, and how many bytes of them.
constexpr std::size_t kSmall = std::size_t{64} << 10U;
constexpr std::uint64_t kMostKept = std::uint64_t{64} << 20U;

/// What tells whether a file is still the same.
struct Stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
};

Result<Stamp> stamp_of(const Descriptor& file) {
    struct stat status{};
    if (::fstat(file.number(), &status) != 0) {
        return fail(errno_error("fstat"));
    }
    return Stamp{.device = status.st_dev,
        .inode = status.st_ino,
        .bytes = static_cast<std::uint64_t>(status.st_size),
        .seconds = status.st_mtim.tv_sec,
        .nanoseconds = status.st_mtim.tv_nsec};
}

/// Blocks of which some are pieces of files.
class SourceBlocks final : public BlockStore {
  public:
    Result<void> put_all(std::span<const Block> blocks) override {
        return others_->put_all(blocks);
    }
    [[nodiscard]] Result<std::optional<Bytes>> get(const Cid& cid) const override {
        const auto piece = pieces_.find(cid.hash());
        return piece == pieces_.end() ? others_->get(cid) : read(piece->second);
    }
    [[nodiscard]] Result<bool> has(const Cid& cid) const override {
        return pieces_.contains(cid.hash()) ? Result<bool>(true) : others_->has(cid);
    }
    Result<void> remove(const Cid& cid) override { return others_->remove(cid); }
    Result<void> refresh(std::span<const Cid> cids) override { return others_->refresh(cids); }
    [[nodiscard]] std::uint64_t bytes_used() const override {
        return others_->bytes_used() + piece_bytes_;
    }
    [[nodiscard]] Result<std::unique_ptr<StagedBlocks>> stage() override {
        return others_->stage();
    }

    /// Takes the blocks of one file, in its order.
    BlockSink file_sink(const fs::path& path, Stamp stamp) {
        files_.push_back({.path = path, .stamp = stamp});
        return [this, file = files_.size() - 1, offset = std::uint64_t{0}](
                   const Cid& cid, BytesView data) mutable -> Result<void> {
            if (cid.codec() != Codec::raw) {
                return put(cid, data);
            }
            if (data.size() <= kSmall && kept_ + data.size() <= kMostKept) {
                kept_ += data.size();
                offset += data.size();
                return put(cid, data);
            }
            if (!internal::is_inline(cid) &&
                pieces_
                    .try_emplace(
                        cid.hash(), Piece{.file = file, .offset = offset, .bytes = data.size()})
                    .second) {
                piece_bytes_ += data.size();
            }
            offset += data.size();
            return {};
        };
    }

  private:
    struct File {
        fs::path path;
        Stamp stamp;
    };
    struct Piece {
        std::size_t file;
        std::uint64_t offset;
        std::uint64_t bytes;
    };

    [[nodiscard]] Result<std::optional<Bytes>> read(const Piece& piece) const {
        const File& file = files_[piece.file];
        const std::lock_guard lock(mutex_);
        if (open_number_ != piece.file) {
            TRY(open_, Descriptor::open(file.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
            open_number_ = piece.file;
        }
        TRY(Bytes data, open_.read_at(piece.offset, piece.bytes));
        TRY(const Stamp now, stamp_of(open_));
        if (data.size() != piece.bytes || now != file.stamp) {
            return fail(CommonError::conflict, file.path.string() + " changed while it was read");
        }
        return data;
    }

    std::unique_ptr<BlockStore> others_ = make_memory_block_store();
    std::vector<File> files_;
    std::unordered_map<Multihash, Piece> pieces_;
    std::uint64_t piece_bytes_ = 0;
    /// Of small pieces, which are not read again.
    std::uint64_t kept_ = 0;
    mutable std::mutex mutex_;
    mutable Descriptor open_;
    mutable std::size_t open_number_ = SIZE_MAX;
};

class DiskSourceTree final : public SourceTree {
  public:
    [[nodiscard]] const UnixFsEntry& root() const override { return root_; }
    [[nodiscard]] const BlockStore& blocks() const override { return blocks_; }

    Result<void> read(const fs::path& path, const ImportOptions& options) {
        internal::PathImport import(
            options, [this](const Cid& cid, BytesView data) { return blocks_.put(cid, data); },
            [this](const fs::path& file, const Descriptor& open) {
                // What cannot be told is no stamp of the file, so its first block is refused.
                return blocks_.file_sink(file, stamp_of(open).value_or(Stamp{}));
            });
        TRY(root_, import.add(path));
        return {};
    }

  private:
    SourceBlocks blocks_;
    /// Of nothing, until all has been read.
    UnixFsEntry root_{.cid = Cid::of(Codec::raw, {}), .tsize = 0, .size = 0};
};

}  // namespace

Result<std::unique_ptr<SourceTree>> read_source_tree(
    const fs::path& path, const ImportOptions& options) {
    auto tree = std::make_unique<DiskSourceTree>();
    TRY_VOID(tree->read(path, options));
    return tree;
}

}  // namespace decloud::content
