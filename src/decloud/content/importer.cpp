#include "importer.hpp"

#include "internal/ordered_workers.hpp"
#include "internal/path_import.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace decloud::content {

namespace {

namespace fs = std::filesystem;
using multiformats::BlockSink;

BlockSink sink_into(StagedBlocks& staged) {
    return [&staged](const Cid& cid, BytesView data) { return staged.put_verified(cid, data); };
}

}  // namespace

struct FileImport::State {
    /// A chunk, and what `build_leaf` made of it.
    struct Chunk {
        Bytes data;
        /// The block, where it is not the chunk itself.
        Bytes encoded;
        std::optional<UnixFsEntry> leaf;
    };

    State(std::unique_ptr<StagedBlocks> blocks, ImportOptions how)
        : options(std::move(how)),
          staged(std::move(blocks)),
          builder(
              options.profile, [this](const Cid& cid, BytesView data) { return keep(cid, data); }),
          leaves(
              options.hashing_threads,
              [this](Chunk& chunk) { return hash(chunk); },
              [this](Chunk& chunk) { return deliver(chunk); }) {}

    Result<void> keep(const Cid& cid, BytesView data) {
        cids.insert(cid);
        return staged->put_verified(cid, data);
    }
    /// On any thread.
    [[nodiscard]] Result<void> hash(Chunk& chunk) const {
        TRY(chunk.leaf, multiformats::build_leaf(options.profile, chunk.data,
                            [&chunk](const Cid&, BytesView block) -> Result<void> {
                                if (block.data() != chunk.data.data()) {
                                    chunk.encoded = to_bytes(block);
                                }
                                return {};
                            }));
        return {};
    }
    Result<void> deliver(Chunk& chunk) {
        if (!chunk.leaf) {
            return fail(CommonError::internal, "a chunk that was not hashed");
        }
        TRY_VOID(keep(chunk.leaf->cid, chunk.encoded.empty() ? chunk.data : chunk.encoded));
        TRY_VOID(builder.add_leaf(std::move(*chunk.leaf)));
        chunk.data.clear();
        chunk.encoded.clear();
        return {};
    }
    Result<void> pass_on() {
        const std::size_t bytes = filling.data.size();
        TRY_VOID(leaves.add(std::exchange(filling, {}), bytes));
        filling = leaves.make();
        return {};
    }

    ImportOptions options;
    std::uint64_t total = 0;
    std::unique_ptr<StagedBlocks> staged;
    std::unordered_set<Cid> cids;
    multiformats::FileBuilder builder;
    Chunk filling;
    internal::OrderedWorkers<Chunk> leaves;
};

FileImport::FileImport(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileImport::~FileImport() = default;
FileImport::FileImport(FileImport&&) noexcept = default;
FileImport& FileImport::operator=(FileImport&&) noexcept = default;

Result<FileImport> FileImport::begin(BlockStore& store, ImportOptions options) {
    TRY(std::unique_ptr<StagedBlocks> staged, store.stage());
    return FileImport(std::make_unique<State>(std::move(staged), std::move(options)));
}

Result<void> FileImport::write(BytesView bytes) {
    State& state = *state_;
    state.total += bytes.size();
    const std::size_t chunk_size = state.options.profile.chunk_size;
    while (!bytes.empty()) {
        Bytes& chunk = state.filling.data;
        const std::size_t take = std::min(bytes.size(), chunk_size - chunk.size());
        append(chunk, bytes.first(take));
        bytes = bytes.subspan(take);
        if (chunk.size() == chunk_size) {
            TRY_VOID(state.pass_on());
        }
    }
    if (state.options.on_progress) {
        state.options.on_progress(state.total);
    }
    return {};
}

Result<UnixFsEntry> FileImport::finish() {
    State& state = *state_;
    if (!state.filling.data.empty()) {
        TRY_VOID(state.pass_on());
    }
    TRY_VOID(state.leaves.finish());
    TRY(UnixFsEntry entry, state.builder.finish());
    if (state.options.before_commit) {
        TRY_VOID(state.options.before_commit(state.cids));
    }
    TRY_VOID(state.staged->commit());
    return entry;
}

std::uint64_t FileImport::blocks() const { return state_->cids.size(); }
std::uint64_t FileImport::bytes() const { return state_->staged->bytes(); }

Result<UnixFsEntry> import_bytes(BlockStore& store, BytesView bytes, const ImportOptions& options) {
    TRY(FileImport file, FileImport::begin(store, options));
    TRY_VOID(file.write(bytes));
    return file.finish();
}

Result<UnixFsEntry> import_path(
    BlockStore& store, const fs::path& path, const ImportOptions& options) {
    TRY(const std::unique_ptr<StagedBlocks> staged, store.stage());
    internal::PathImport import(options, sink_into(*staged),
        [&](const fs::path&, const internal::Descriptor&) { return sink_into(*staged); });
    TRY(UnixFsEntry entry, import.add(path));
    TRY_VOID(staged->commit());
    return entry;
}

}  // namespace decloud::content
