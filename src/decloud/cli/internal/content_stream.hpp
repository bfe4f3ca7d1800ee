#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/disk_store.hpp>
#include <decloud/net/http/client.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace decloud::cli::internal {

/// A block store in a folder that goes with the object, so that content of any size passes through
/// a command without being in memory.
class ScratchStore {
  public:
    /// `parent` is made if it is missing.
    [[nodiscard]] static Result<std::unique_ptr<ScratchStore>> make(
        const std::filesystem::path& parent);
    ScratchStore(const ScratchStore&) = delete;
    ScratchStore& operator=(const ScratchStore&) = delete;
    ~ScratchStore();

    [[nodiscard]] content::BlockStore& blocks() { return *blocks_; }

  private:
    ScratchStore(std::filesystem::path folder, std::unique_ptr<content::DiskBlockStore> blocks)
        : folder_(std::move(folder)), blocks_(std::move(blocks)) {}
    std::filesystem::path folder_;
    std::unique_ptr<content::DiskBlockStore> blocks_;
};

/// Everything under `root` as a CAR, a block at a time. `store` outlives the request.
[[nodiscard]] net::http::BodySource car_source(
    const content::BlockStore& store, const content::Cid& root);

/// A file that is read from its beginning to its end; closed with the object, but for standard
/// input.
class InputFile {
  public:
    /// "-" is standard input. Errors, here and below: from errno.
    [[nodiscard]] static Result<InputFile> open(const std::string& path);
    explicit InputFile(int descriptor) : descriptor_(descriptor) {}
    InputFile(InputFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    InputFile& operator=(InputFile&&) = delete;
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;
    ~InputFile();

    /// 0 is the end.
    [[nodiscard]] Result<std::size_t> read(std::span<std::uint8_t> target) const;
    /// Nothing for what is no regular file, and for one that is not read from its start.
    [[nodiscard]] std::optional<std::uint64_t> size() const;

  private:
    int descriptor_;
};

/// The same as a request's body.
[[nodiscard]] Result<net::http::BodySource> file_source(const std::string& path);

/// Where a command's bytes go: standard output ("" or "-"), or a file that is there once all of it
/// is.
class OutputFile {
  public:
    [[nodiscard]] static Result<OutputFile> open(const std::string& path);
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    /// Without `finish` the file is as it was.
    ~OutputFile();

    [[nodiscard]] Result<void> write(BytesView bytes);
    /// Over what the file begins with; not of standard output. Nothing is written after it.
    [[nodiscard]] Result<void> write_first(BytesView bytes);
    [[nodiscard]] Result<void> finish();

  private:
    OutputFile(std::FILE* file, std::filesystem::path path, std::filesystem::path temporary)
        : file_(file), path_(std::move(path)), temporary_(std::move(temporary)) {}
    std::FILE* file_;
    std::filesystem::path path_;
    /// Empty for standard output.
    std::filesystem::path temporary_;
};

}  // namespace decloud::cli::internal
