#include "atomic_file.hpp"

#include "internal/file.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace decloud::store {

using internal::File;

namespace {

Result<void> write_and_sync(const std::filesystem::path& path, BytesView content, mode_t mode) {
    TRY(const File file, File::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    if (::fchmod(file.get(), mode) != 0) {
        return fail(errno_error("chmod"));
    }
    TRY_VOID(file.write_at(content, 0));
    if (::fsync(file.get()) != 0) {
        return fail(internal::write_error("sync", errno));
    }
    return {};
}

}  // namespace

Result<void> write_file_atomically(
    const std::filesystem::path& path, BytesView content, mode_t mode) {
    std::filesystem::path temporary = path;
    temporary += "." + to_hex(crypto::random_array<8>()) + ".tmp";
    auto written = write_and_sync(temporary, content, mode);
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
        written = fail(errno_error("rename"));
    }
    if (!written) {
        ::unlink(temporary.c_str());
        return fail(written.error().within("writing " + path.string()));
    }
    return sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
    TRY(const File file, File::open(path, O_RDONLY));
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) {
        return fail(errno_error("stat " + path.string()));
    }
    if (!S_ISREG(info.st_mode)) {
        return fail(CommonError::invalid_input, path.string() + " is not a regular file");
    }
    if (static_cast<std::uint64_t>(info.st_size) > max_bytes) {
        return fail(CommonError::limit_exceeded, path.string() + " is too long");
    }
    Bytes content(static_cast<std::size_t>(info.st_size));
    std::size_t have = 0;
    while (have < content.size()) {
        const ssize_t count = ::read(file.get(), content.data() + have, content.size() - have);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("read " + path.string()));
        }
        if (count == 0) {
            break;
        }
        have += static_cast<std::size_t>(count);
    }
    content.resize(have);
    return content;
}

Result<void> sync_directory(const std::filesystem::path& directory) {
    TRY(const File file, File::open(directory, O_RDONLY | O_DIRECTORY));
    if (::fsync(file.get()) != 0) {
        return fail(internal::write_error("sync " + directory.string(), errno));
    }
    return {};
}

}  // namespace decloud::store
