#include "descriptor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace decloud::content::internal {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

Descriptor::~Descriptor() {
    if (number_ >= 0) {
        ::close(number_);
    }
}

Result<Descriptor> Descriptor::open(const std::filesystem::path& path, int flags, mode_t mode) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (number < 0) {
        return fail(errno_error("open " + path.string()));
    }
    return Descriptor(number);
}

Result<void> Descriptor::write_at(BytesView bytes, std::uint64_t offset) const {
    while (!bytes.empty()) {
        const ssize_t written =
            ::pwrite(number_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail(errno_error("write"));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

Result<Bytes> Descriptor::read_at(std::uint64_t offset, std::size_t size) const {
    Bytes out(size);
    std::size_t held = 0;
    while (held < size) {
        TRY(const std::size_t got, read_some(offset + held, std::span(out).subspan(held)));
        if (got == 0) {
            break;
        }
        held += got;
    }
    out.resize(held);
    return out;
}

Result<std::size_t> Descriptor::read_some(
    std::uint64_t offset, std::span<std::uint8_t> target) const {
    for (;;) {
        const ssize_t got =
            ::pread(number_, target.data(), target.size(), static_cast<off_t>(offset));
        if (got >= 0) {
            return static_cast<std::size_t>(got);
        }
        if (errno != EINTR) {
            return fail(errno_error("read"));
        }
    }
}

void Descriptor::begin_writing(std::uint64_t offset, std::uint64_t size) const {
    (void)::sync_file_range(
        number_, static_cast<off_t>(offset), static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE);
}

Result<std::uint64_t> Descriptor::size() const {
    struct stat status{};
    if (::fstat(number_, &status) != 0) {
        return fail(errno_error("stat"));
    }
    return static_cast<std::uint64_t>(status.st_size);
}

Result<void> Descriptor::truncate(std::uint64_t size) const {
    if (::ftruncate(number_, static_cast<off_t>(size)) != 0) {
        return fail(errno_error("truncate"));
    }
    return {};
}

Result<void> Descriptor::sync() const {
    if (::fdatasync(number_) != 0) {
        return fail(errno_error("fdatasync"));
    }
    return {};
}

}  // namespace decloud::content::internal
