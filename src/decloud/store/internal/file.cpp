#include "file.hpp"

#include <unistd.h>

#include <cerrno>

namespace decloud::store::internal {

File& File::operator=(File&& other) noexcept {
    if (this != &other) {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
        descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
}

File::~File() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

Result<File> File::open(const std::filesystem::path& path, int flags, mode_t mode) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (descriptor < 0) {
        return fail(write_error("open " + path.string(), errno));
    }
    return File(descriptor);
}

Result<void> File::write_at(BytesView data, std::uint64_t offset) const {
    while (!data.empty()) {
        const ssize_t written =
            ::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail(write_error("write", errno));
        }
        data = data.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

Result<void> File::sync_data() const {
    if (::fdatasync(descriptor_) != 0) {
        return fail(write_error("sync", errno));
    }
    return {};
}

Error write_error(std::string_view what, int number) {
    return errno_error(what, number == EFBIG ? ENOSPC : number);
}

}  // namespace decloud::store::internal
