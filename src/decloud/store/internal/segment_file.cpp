#include "segment_file.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace decloud::store::internal {

namespace {

constexpr std::size_t kBlock = BlockBuffer::kBlock;
constexpr std::size_t kZeros = 256 * 1024;

constexpr std::uint64_t block_start(std::uint64_t offset) { return offset / kBlock * kBlock; }

constexpr std::uint64_t whole_blocks(std::uint64_t bytes) {
    return (bytes + kBlock - 1) / kBlock * kBlock;
}

bool set_direct(const File& file, bool direct) {
    const int flags = ::fcntl(file.get(), F_GETFL);
    return flags >= 0 &&
           ::fcntl(file.get(), F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

bool read_all(const File& file, std::uint8_t* target, std::size_t bytes, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < bytes) {
        const ssize_t count =
            ::pread(file.get(), target + done, bytes - done, static_cast<off_t>(offset + done));
        if (count > 0) {
            done += static_cast<std::size_t>(count);
        } else if (count == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

}  // namespace

void BlockBuffer::reserve(std::size_t bytes) {
    if (bytes <= size_) {
        return;
    }
    const std::size_t size = whole_blocks(std::max(bytes, 2 * size_));
    std::unique_ptr<std::uint8_t, Free> memory(
        static_cast<std::uint8_t*>(std::aligned_alloc(kBlock, size)));
    if (!memory) {
        throw std::bad_alloc();
    }
    if (size_ != 0) {
        std::memcpy(memory.get(), memory_.get(), size_);
    }
    memory_ = std::move(memory);
    size_ = size;
}

SegmentFile::SegmentFile(File file, std::uint64_t bytes, std::uint64_t offset)
    : file_(std::move(file)), offset_(offset) {
    buffer_.reserve(kBlock);
    direct_ = bytes % kBlock == 0 &&
              read_all(file_, buffer_.data(), offset % kBlock, block_start(offset)) &&
              set_direct(file_, true);
}

Result<SegmentFile::Direct> SegmentFile::write_direct(BytesView data) {
    const std::size_t before = offset_ % kBlock;
    const std::size_t size = before + data.size();
    const std::size_t padded = whole_blocks(size);
    buffer_.reserve(padded);
    std::uint8_t* const memory = buffer_.data();
    std::ranges::copy(data, memory + before);
    std::memset(memory + size, 0, padded - size);
    std::size_t done = 0;
    while (done < padded) {
        const iovec part{memory + done, padded - done};
        const ssize_t count = ::pwritev2(
            file_.get(), &part, 1, static_cast<off_t>(block_start(offset_) + done), RWF_DSYNC);
        if (count > 0) {
            done += static_cast<std::size_t>(count);
        } else if (count < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) {
            return Direct::refused;
        } else if (count == 0 || errno != EINTR) {
            return fail(write_error("write", count == 0 ? EIO : errno));
        }
    }
    return Direct::written;
}

Result<void> SegmentFile::write(BytesView data) {
    if (direct_) {
        TRY(const Direct outcome, write_direct(data));
        if (outcome == Direct::written) {
            return {};
        }
        if (!set_direct(file_, false)) {
            return fail(write_error("write", errno));
        }
        direct_ = false;
    }
    return file_.write_at(data, offset_);
}

Result<void> SegmentFile::sync() const {
    // A direct write returned only when it was on disk.
    return direct_ ? Result<void>{} : file_.sync_data();
}

void SegmentFile::advance(std::size_t bytes) {
    const std::uint64_t start = block_start(offset_);
    offset_ += bytes;
    if (direct_ && block_start(offset_) != start) {
        // Only what was written: behind a whole block there may be no memory.
        std::memmove(buffer_.data(), buffer_.data() + (block_start(offset_) - start),
            static_cast<std::size_t>(offset_ % kBlock));
    }
}

Result<void> fill_with_zeros(const File& file, BytesView header, std::uint64_t bytes) {
    BlockBuffer buffer;
    buffer.reserve(kZeros);
    std::memset(buffer.data(), 0, kZeros);
    const bool direct = bytes % kBlock == 0 && set_direct(file, true);
    std::ranges::copy(header, buffer.data());
    for (std::uint64_t offset = 0; offset < bytes; offset += kZeros) {
        const BytesView part(buffer.data(), std::min<std::uint64_t>(kZeros, bytes - offset));
        auto written = file.write_at(part, offset);
        if (!written && direct && written.error() != make_error_code(CommonError::disk_full)) {
            static_cast<void>(set_direct(file, false));
            written = file.write_at(part, offset);
        }
        TRY_VOID(std::move(written));
        if (offset == 0) {
            std::memset(buffer.data(), 0, header.size());
        }
    }
    static_cast<void>(set_direct(file, false));
    return file.sync_data();
}

}  // namespace decloud::store::internal
