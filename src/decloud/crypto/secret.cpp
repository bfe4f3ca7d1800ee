#include "secret.hpp"

#include "random.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace decloud::crypto {

void wipe(std::span<std::uint8_t> bytes) { explicit_bzero(bytes.data(), bytes.size()); }

Secret::Secret(std::size_t size) : size_(size) {
    if (size == 0) {
        return;
    }
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (size + page - 1) / page * page;
    void* const pages =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        throw std::bad_alloc();
    }
    // Locking can fail under a small RLIMIT_MEMLOCK; the key is needed all the same.
    (void)mlock(pages, mapped_);
    (void)madvise(pages, mapped_, MADV_DONTDUMP);
    (void)madvise(pages, mapped_, MADV_WIPEONFORK);
    data_ = static_cast<std::uint8_t*>(pages);
}

Secret::Secret(BytesView bytes) : Secret(bytes.size()) { std::ranges::copy(bytes, data_); }

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        release();
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
        mapped_ = std::exchange(other.mapped_, 0);
    }
    return *this;
}

Secret::~Secret() { release(); }

Secret Secret::random(std::size_t size) {
    Secret out(size);
    fill_random(out.writable());
    return out;
}

void Secret::release() noexcept {
    if (data_ != nullptr) {
        explicit_bzero(data_, mapped_);
        munmap(data_, mapped_);
        data_ = nullptr;
    }
}

}  // namespace decloud::crypto
