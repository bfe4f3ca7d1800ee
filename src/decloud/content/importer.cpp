#include "importer.hpp"

#include "internal/path_import.hpp"

#include <utility>

namespace decloud::content {

namespace {

namespace fs = std::filesystem;
using multiformats::BlockSink;
using multiformats::FileBuilder;

BlockSink sink_into(StagedBlocks& staged) {
    return [&staged](const Cid& cid, BytesView data) { return staged.put_verified(cid, data); };
}

}  // namespace

FileImport::FileImport(std::unique_ptr<StagedBlocks> staged, ImportOptions options)
    : options_(std::move(options)),
      staged_(std::move(staged)),
      builder_(std::make_unique<FileBuilder>(options_.profile, sink_into(*staged_))) {}

Result<FileImport> FileImport::begin(BlockStore& store, ImportOptions options) {
    TRY(std::unique_ptr<StagedBlocks> staged, store.stage());
    return FileImport(std::move(staged), std::move(options));
}

Result<void> FileImport::write(BytesView bytes) {
    TRY_VOID(builder_->write(bytes));
    total_ += bytes.size();
    if (options_.on_progress) {
        options_.on_progress(total_);
    }
    return {};
}

Result<UnixFsEntry> FileImport::finish() {
    TRY(UnixFsEntry entry, builder_->finish());
    TRY_VOID(staged_->commit());
    return entry;
}

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
