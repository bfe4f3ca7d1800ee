#include "replay_body.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace decloud::client {

namespace {

constexpr std::size_t kStep = 64 * 1024;
/// The source has time-outs of its own.
constexpr auto kPatience = std::chrono::hours(24);

net::http::BodySource source_of(std::shared_ptr<Bytes> bytes) {
    const auto offset = std::make_shared<std::size_t>(0);
    net::http::BodySource out;
    out.length = bytes->size();
    out.read = [bytes, offset](std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
        const std::size_t count = std::min(buffer.size(), bytes->size() - *offset);
        std::ranges::copy(BytesView(*bytes).subspan(*offset, count), buffer.begin());
        *offset += count;
        co_return count;
    };
    return out;
}

Result<int> open_unnamed(const std::filesystem::path& folder) {
    const std::string where =
        folder.empty() ? std::filesystem::temp_directory_path().string() : folder.string();
    const int file = ::open(where.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return file < 0 ? fail(errno_error("keep a request's body in " + where)) : Result<int>(file);
}

}  // namespace

ReplayBody::ReplayBody(async::Executor executor, net::http::BodySource source, ReplayLimits limits)
    : source_(std::move(source)),
      limits_(std::move(limits)),
      tasks_(executor),
      arrived_(executor) {}

std::shared_ptr<ReplayBody> ReplayBody::make(
    async::Executor executor, net::http::BodySource source, ReplayLimits limits) {
    return std::shared_ptr<ReplayBody>(
        new ReplayBody(std::move(executor), std::move(source), std::move(limits)));
}

std::shared_ptr<ReplayBody> ReplayBody::of(async::Executor executor, Bytes bytes) {
    auto shared = std::make_shared<Bytes>(std::move(bytes));
    ReplayLimits limits;
    limits.in_memory = std::max<std::uint64_t>(limits.in_memory, shared->size());
    limits.in_all = std::max(limits.in_all, limits.in_memory);
    return make(std::move(executor), source_of(std::move(shared)), std::move(limits));
}

ReplayBody::~ReplayBody() {
    if (file_ >= 0) {
        (void)::close(file_);
    }
}

net::http::BodySource ReplayBody::from_start() {
    net::http::BodySource out;
    out.length = source_.length;
    out.trailers = source_.trailers;
    out.read = [self = shared_from_this(), turn = ++turn_,
                   offset = std::make_shared<std::uint64_t>(0)](
                   std::span<std::uint8_t> buffer) { return read(self, turn, offset, buffer); };
    return out;
}

async::Task<Result<std::size_t>> ReplayBody::read(std::shared_ptr<ReplayBody> self,
    std::uint64_t turn,
    std::shared_ptr<std::uint64_t> offset,
    std::span<std::uint8_t> buffer) {
    CO_TRY_VOID(co_await self->wait_for_more(*offset));
    if (turn != self->turn_) {
        co_return fail(CommonError::cancelled, "the body is sent again");
    }
    CO_TRY(const std::size_t count, self->copy(*offset, buffer));
    *offset += count;
    co_return count;
}

async::Task<Result<crypto::Sha256Digest>> ReplayBody::digest() {
    if (digest_) {
        co_return *digest_;
    }
    crypto::Sha256 hash;
    Bytes buffer(kStep);
    for (std::uint64_t offset = 0;;) {
        CO_TRY_VOID(co_await wait_for_more(offset));
        CO_TRY(const std::size_t count, copy(offset, buffer));
        if (count == 0) {
            digest_ = hash.finish();
            co_return *digest_;
        }
        hash.update(BytesView(buffer).first(count));
        offset += count;
    }
}

async::Task<Result<void>> ReplayBody::wait_for_more(std::uint64_t offset) {
    while (offset >= size_ && !ended_) {
        if (failure_) {
            co_return fail(*failure_);
        }
        if (!reading_) {
            // By itself, so that whoever waits can be cancelled and lose no byte.
            reading_ = true;
            arrived_.reset();
            tasks_.spawn(fill());
        }
        CO_TRY_VOID(co_await arrived_.wait(kPatience));
    }
    co_return Result<void>{};
}

async::Task<void> ReplayBody::fill() {
    Bytes buffer(kStep);
    const auto count = co_await source_.read(buffer);
    if (!count) {
        failure_ = count.error();
    } else if (*count == 0) {
        ended_ = true;
    } else if (auto kept = keep(BytesView(buffer).first(*count)); !kept) {
        failure_ = kept.error();
    }
    reading_ = false;
    arrived_.set();
}

Result<void> ReplayBody::keep(BytesView bytes) {
    if (size_ + bytes.size() > limits_.in_all) {
        // Only the newest piece from now on.
        first_ = size_;
        memory_.assign(bytes.begin(), bytes.end());
        if (file_ >= 0) {
            (void)::close(std::exchange(file_, -1));
        }
        size_ += bytes.size();
        return {};
    }
    if (file_ < 0 && size_ + bytes.size() > limits_.in_memory) {
        TRY(file_, open_unnamed(limits_.folder));
        Bytes before = std::exchange(memory_, {});
        size_ = 0;
        TRY_VOID(keep(before));
    }
    if (file_ < 0) {
        append(memory_, bytes);
        size_ += bytes.size();
        return {};
    }
    while (!bytes.empty()) {
        const ssize_t count =
            ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
        if (count < 0 && errno != EINTR) {
            return fail(errno_error("keep a request's body"));
        }
        const auto written = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
        bytes = bytes.subspan(written);
        size_ += written;
    }
    return {};
}

Result<std::size_t> ReplayBody::copy(std::uint64_t offset, std::span<std::uint8_t> out) const {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
    if (wanted == 0) {
        return std::size_t{0};
    }
    if (offset < first_) {
        return fail(CommonError::limit_exceeded,
            "the body is too long to be sent again, as paying for it needs");
    }
    if (file_ < 0) {
        std::memcpy(out.data(), memory_.data() + (offset - first_), wanted);
        return wanted;
    }
    for (;;) {
        const ssize_t count = ::pread(file_, out.data(), wanted, static_cast<off_t>(offset));
        if (count > 0) {
            return static_cast<std::size_t>(count);
        }
        if (count == 0 || errno != EINTR) {
            return fail(errno_error("read a request's body again"));
        }
    }
}

async::Task<void> ReplayBody::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace decloud::client
