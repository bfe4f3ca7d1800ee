#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <memory>
#include <string>

struct archive;

namespace decloud::sandbox::oci {

/// Bytes that come piece by piece.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    /// The next piece, valid until the next call; empty at the end.
    [[nodiscard]] virtual Result<BytesView> next_bytes() = 0;
};

/// All of it in memory.
class MemorySource final : public ByteSource {
  public:
    explicit MemorySource(BytesView bytes) : bytes_(bytes) {}
    [[nodiscard]] Result<BytesView> next_bytes() override { return std::exchange(bytes_, {}); }

  private:
    BytesView bytes_;
};

/// What an entry of a tar file says about itself. Nothing of it has been checked but its type.
struct TarEntry {
    enum class Kind { file, folder, symlink, hardlink, other };
    Kind kind = Kind::other;
    std::string path;
    /// Of links: where to.
    std::string target;
    bool executable = false;
};

/// Reads a tar file (gzip or zstd around it or not) or the zip file that a package is. As a source
/// it gives the content of the current entry.
class ArchiveReader final : public ByteSource {
  public:
    /// `source` outlives it.
    [[nodiscard]] static Result<std::unique_ptr<ArchiveReader>> open_tar(ByteSource& source);
    /// `zip` outlives it.
    [[nodiscard]] static Result<std::unique_ptr<ArchiveReader>> open_zip(BytesView zip);
    ~ArchiveReader() override;
    ArchiveReader(const ArchiveReader&) = delete;
    ArchiveReader& operator=(const ArchiveReader&) = delete;

    /// The next entry; false at the end. Errors: invalid_input.
    [[nodiscard]] Result<bool> next(TarEntry& entry);
    [[nodiscard]] Result<BytesView> next_bytes() override;

  private:
    ArchiveReader();
    [[nodiscard]] std::unexpected<Error> broken() const;

    archive* archive_;
    ByteSource* source_ = nullptr;
    Bytes buffer_;
};

}  // namespace decloud::sandbox::oci
