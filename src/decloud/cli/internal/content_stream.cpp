#include "content_stream.hpp"

#include "../context.hpp"

#include <decloud/store/atomic_file.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

namespace decloud::cli::internal {

namespace fs = std::filesystem;

namespace {

/// Sections of a CAR, handed out in pieces of any size.
class CarPieces {
  public:
    CarPieces(const content::BlockStore& store, const content::Cid& root) : car_(store, {root}) {}

    /// As much as there is room for: many small sections go as one.
    [[nodiscard]] Result<std::size_t> read(std::span<std::uint8_t> target) {
        std::size_t filled = 0;
        while (filled < target.size()) {
            if (position_ == section_.size()) {
                TRY(auto next, car_.next());
                if (!next) {
                    break;
                }
                section_ = std::move(*next);
                position_ = 0;
            }
            const std::size_t count = std::min(target.size() - filled, section_.size() - position_);
            std::memcpy(target.data() + filled, section_.data() + position_, count);
            position_ += count;
            filled += count;
        }
        return filled;
    }

  private:
    content::CarExport car_;
    Bytes section_;
    std::size_t position_ = 0;
};

}  // namespace

Result<std::unique_ptr<ScratchStore>> ScratchStore::make(const fs::path& parent) {
    std::error_code error;
    fs::create_directories(parent, error);
    std::string folder = (parent / "scratch-XXXXXX").string();
    if (error || ::mkdtemp(folder.data()) == nullptr) {
        return fail(errno_error("make " + folder, error ? error.value() : errno));
    }
    auto blocks = content::open_disk_store(folder, {.durability = content::Durability::unsynced});
    if (!blocks) {
        fs::remove_all(folder, error);
        return fail(std::move(blocks.error()));
    }
    return std::unique_ptr<ScratchStore>(new ScratchStore(folder, std::move(*blocks)));
}

ScratchStore::~ScratchStore() {
    blocks_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

net::http::BodySource car_source(const content::BlockStore& store, const content::Cid& root) {
    const auto pieces = std::make_shared<CarPieces>(store, root);
    return {.read = [pieces](std::span<std::uint8_t> target) -> async::Task<Result<std::size_t>> {
                co_return pieces->read(target);
            },
        .length = std::nullopt,
        .trailers = {}};
}

Result<InputFile> InputFile::open(const std::string& path) {
    const int descriptor = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return fail(errno_error("open " + path));
    }
    return InputFile(descriptor);
}

InputFile::~InputFile() {
    if (descriptor_ >= 0 && descriptor_ != STDIN_FILENO) {
        ::close(descriptor_);
    }
}

Result<std::size_t> InputFile::read(std::span<std::uint8_t> target) const {
    for (;;) {
        const ssize_t count = ::read(descriptor_, target.data(), target.size());
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            return fail(errno_error("read"));
        }
    }
}

std::optional<std::uint64_t> InputFile::size() const {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode) ||
        ::lseek(descriptor_, 0, SEEK_CUR) != 0) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(status.st_size);
}

Result<net::http::BodySource> file_source(const std::string& path) {
    TRY(InputFile opened, InputFile::open(path));
    const auto file = std::make_shared<InputFile>(std::move(opened));
    return net::http::BodySource{
        .read = [file](std::span<std::uint8_t> target) -> async::Task<Result<std::size_t>> {
            co_return file->read(target);
        },
        .length = file->size(),
        .trailers = {}};
}

Result<OutputFile> OutputFile::open(const std::string& path) {
    if (path.empty() || path == "-") {
        return OutputFile(stdout, {}, {});
    }
    const fs::path temporary = fmt::format("{}.{}.part", path, ::getpid());
    std::FILE* file = std::fopen(temporary.c_str(), "wbxe");
    if (file == nullptr) {
        return fail(errno_error("create " + temporary.string()));
    }
    return OutputFile(file, path, temporary);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)),
      path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)) {}

OutputFile::~OutputFile() {
    if (file_ != nullptr && !temporary_.empty()) {
        std::fclose(file_);
        ::unlink(temporary_.c_str());
    }
}

Result<void> OutputFile::write(BytesView bytes) {
    if (temporary_.empty()) {
        return write_output(bytes);
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
        return fail(errno_error("write " + temporary_.string()));
    }
    return {};
}

Result<void> OutputFile::write_first(BytesView bytes) {
    if (temporary_.empty()) {
        return fail(CommonError::invalid_input, "standard output cannot be written twice");
    }
    if (std::fseek(file_, 0, SEEK_SET) != 0) {
        return fail(errno_error("write " + temporary_.string()));
    }
    return write(bytes);
}

Result<void> OutputFile::finish() {
    if (temporary_.empty()) {
        return {};
    }
    if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) {
        return fail(errno_error("write " + temporary_.string()));
    }
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
        return fail(errno_error("rename to " + path_.string()));
    }
    std::fclose(std::exchange(file_, nullptr));
    const fs::path folder = fs::absolute(path_).parent_path();
    return store::sync_directory(folder);
}

}  // namespace decloud::cli::internal
