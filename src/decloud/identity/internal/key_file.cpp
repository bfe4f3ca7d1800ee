#include "key_file.hpp"

#include "../error.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

namespace decloud::identity::internal {

namespace {

constexpr off_t kMaxFile = 64 * 1024;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) {
            close(number_);
        }
    }
    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] bool valid() const { return number_ >= 0; }

  private:
    int number_;
};

Result<void> check_owner_and_mode(
    const struct stat& status, const std::filesystem::path& path, std::string_view mode) {
    if (status.st_uid != geteuid()) {
        return fail(IdentityError::unsafe_permissions, path.string() + " belongs to another user");
    }
    if ((status.st_mode & kOthers) != 0) {
        return fail(IdentityError::unsafe_permissions, "others may use " + path.string() +
                                                           "; run: chmod " + std::string(mode) +
                                                           " " + path.string());
    }
    return {};
}

Result<void> write_all(int descriptor, BytesView content, const std::string& name) {
    while (!content.empty()) {
        const ssize_t count = write(descriptor, content.data(), content.size());
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail(errno_error("write " + name));
        }
        content = content.subspan(static_cast<std::size_t>(count));
    }
    if (fsync(descriptor) != 0) {
        return fail(errno_error("fsync " + name));
    }
    return {};
}

// The name of a new file beside `path` that holds `content`.
Result<std::string> write_beside(const std::filesystem::path& path, BytesView content) {
    std::string beside = path.string() + ".new-" + to_hex(crypto::random_array<8>());
    const Descriptor file(open(
        beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
    if (!file.valid()) {
        return fail(errno_error("create " + beside));
    }
    auto written = write_all(file.get(), content, beside);
    if (!written) {
        unlink(beside.c_str());
        return fail(std::move(written.error()));
    }
    return beside;
}

Result<void> rename_durably(
    const std::string& beside, const std::filesystem::path& path, unsigned flags) {
    if (renameat2(AT_FDCWD, beside.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
        const Error error = errno_error("create " + path.string());
        unlink(beside.c_str());
        return fail(error);
    }
    const Descriptor folder(open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid() || fsync(folder.get()) != 0) {
        return fail(errno_error("fsync " + path.parent_path().string()));
    }
    return {};
}

}  // namespace

Result<void> make_private_folder(const std::filesystem::path& folder) {
    std::error_code error;
    if (folder.has_parent_path()) {
        std::filesystem::create_directories(folder.parent_path(), error);
        if (error) {
            return fail(errno_error("create " + folder.parent_path().string(), error.value()));
        }
    }
    if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
        return fail(errno_error("create " + folder.string()));
    }
    struct stat status{};
    if (lstat(folder.c_str(), &status) != 0) {
        return fail(errno_error("stat " + folder.string()));
    }
    if (!S_ISDIR(status.st_mode)) {
        return fail(IdentityError::unsafe_permissions, folder.string() + " is not a folder");
    }
    return check_owner_and_mode(status, folder, "700");
}

Result<crypto::Secret> read_private_file(const std::filesystem::path& path) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file.valid()) {
        if (errno == ELOOP) {
            return fail(IdentityError::unsafe_permissions, path.string() + " is a symbolic link");
        }
        return fail(errno_error("open " + path.string()));
    }
    struct stat status{};
    if (fstat(file.get(), &status) != 0) {
        return fail(errno_error("stat " + path.string()));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(IdentityError::unsafe_permissions, path.string() + " is not a plain file");
    }
    TRY_VOID(check_owner_and_mode(status, path, "600"));
    if (status.st_size > kMaxFile) {
        return fail(CommonError::limit_exceeded, path.string() + " is too long for a key");
    }
    crypto::Secret out(static_cast<std::size_t>(status.st_size));
    for (std::size_t done = 0; done < out.size();) {
        const ssize_t count = read(file.get(), out.writable().data() + done, out.size() - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("read " + path.string()));
        }
        if (count == 0) {
            return fail(CommonError::corrupt, path.string() + " became shorter");
        }
        done += static_cast<std::size_t>(count);
    }
    return out;
}

Result<void> create_private_file(const std::filesystem::path& path, BytesView content) {
    TRY(const std::string beside, write_beside(path, content));
    return rename_durably(beside, path, RENAME_NOREPLACE);
}

Result<void> replace_private_file(const std::filesystem::path& path, BytesView content) {
    const Descriptor old(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status{};
    if (!old.valid() || fstat(old.get(), &status) != 0) {
        return fail(errno_error("open " + path.string()));
    }
    TRY(const std::string beside, write_beside(path, content));
    TRY_VOID(rename_durably(beside, path, 0));
    const Bytes zeros(static_cast<std::size_t>(std::min(status.st_size, kMaxFile)));
    return write_all(old.get(), zeros, "over the old " + path.string());
}

}  // namespace decloud::identity::internal
