#include "stdio.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

namespace decloud::sandbox::wasm {

namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 20ms;

}  // namespace

bool Stdio::end(Stop reason) {
    if (stop_ == Stop::none) {
        stop_ = reason;
    }
    return false;
}

bool Stdio::check() {
    if (stop_ != Stop::none) {
        return false;
    }
    if (cancelled_.load(std::memory_order_relaxed)) {
        return end(Stop::cancelled);
    }
    if (std::chrono::steady_clock::now() >= settings_.deadline) {
        return end(Stop::timed_out);
    }
    return true;
}

bool Stdio::wait_for(int fd, short events, SteadyTime until) {
    while (check()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            std::min(until, settings_.deadline) - std::chrono::steady_clock::now());
        if (left <= 0ms && std::chrono::steady_clock::now() >= until) {
            return true;
        }
        pollfd entry{.fd = fd, .events = events, .revents = 0};
        const int ready =
            ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 20)));
        if (ready > 0) {
            return true;
        }
    }
    return false;
}

std::optional<std::size_t> Stdio::try_read(std::span<std::uint8_t> target) {
    if (input_ended_ || target.empty() || stop_ != Stop::none) {
        return 0;
    }
    if (!settings_.input_fd) {
        const std::size_t count = std::min(target.size(), settings_.input.size() - input_position_);
        if (count > 0) {
            std::memcpy(target.data(), settings_.input.data() + input_position_, count);
        }
        input_position_ += count;
        return count;
    }
    const int fd = settings_.input_fd.get();
    while (true) {
        const ssize_t count = settings_.input_is_pipe ? ::read(fd, target.data(), target.size())
                                                      : ::pread(fd, target.data(), target.size(),
                                                            static_cast<off_t>(input_position_));
        if (count > 0) {
            input_position_ += static_cast<std::size_t>(count);
            return static_cast<std::size_t>(count);
        }
        if (count == 0) {
            input_ended_ = true;
            return 0;
        }
        if (errno == EAGAIN) {
            return std::nullopt;
        }
        if (errno != EINTR) {
            end(Stop::failed);
            return 0;
        }
    }
}

std::size_t Stdio::read(std::span<std::uint8_t> target) {
    while (true) {
        if (const auto count = try_read(target)) {
            return *count;
        }
        // Whoever sends the input may be waiting for what was written so far.
        if (!flush() || !wait_for(settings_.input_fd.get(), POLLIN, settings_.deadline)) {
            return 0;
        }
    }
}

bool Stdio::readable() {
    if (!settings_.input_fd || !settings_.input_is_pipe || input_ended_) {
        return true;
    }
    pollfd entry{.fd = settings_.input_fd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) > 0;
}

bool Stdio::start_stream() {
    auto pipe = internal::make_pipe(O_NONBLOCK);
    if (!pipe || !settings_.open_stream(pipe->reader.get())) {
        return end(Stop::failed);
    }
    stream_ = std::move(pipe->writer);
    streamed_ = true;
    return true;
}

Stdio::Progress Stdio::push() {
    if (kept_.empty()) {
        return Progress::done;
    }
    if (!stream_ && !start_stream()) {
        return Progress::stopped;
    }
    while (pushed_ < kept_.size()) {
        const BytesView rest = BytesView(kept_).subspan(pushed_);
        const ssize_t count = ::write(stream_.get(), rest.data(), rest.size());
        if (count >= 0) {
            pushed_ += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            return Progress::blocked;
        } else if (errno != EINTR) {
            end(errno == EPIPE ? Stop::reader_gone : Stop::failed);
            return Progress::stopped;
        }
    }
    kept_.clear();
    pushed_ = 0;
    return Progress::done;
}

bool Stdio::flush() {
    while (true) {
        switch (push()) {
            case Progress::done:
                return true;
            case Progress::stopped:
                return false;
            case Progress::blocked:
                if (!wait_for(stream_.get(), POLLOUT, settings_.deadline)) {
                    return false;
                }
                break;
        }
    }
}

std::optional<std::size_t> Stdio::offer(BytesView data) {
    if (stop_ != Stop::none) {
        return std::nullopt;
    }
    if (data.size() > settings_.response_bytes - written_) {
        end(Stop::response_limit);
        return std::nullopt;
    }
    const BytesView part = data.first(std::min(data.size(), kKept - kept_.size()));
    append(kept_, part);
    written_ += part.size();
    return part.size();
}

bool Stdio::write(BytesView data) {
    if (stop_ != Stop::none) {
        return false;
    }
    if (data.size() > settings_.response_bytes - written_) {
        return end(Stop::response_limit);
    }
    written_ += data.size();
    while (true) {
        const BytesView part = data.first(std::min(data.size(), kKept - kept_.size()));
        if (kept_.empty()) {
            first_kept_ = std::chrono::steady_clock::now();
        }
        append(kept_, part);
        data = data.subspan(part.size());
        if (data.empty()) {
            break;
        }
        if (!flush()) {
            return false;
        }
    }
    if (std::chrono::steady_clock::now() - first_kept_ > kPatience) {
        return flush();
    }
    return true;
}

void Stdio::write_error(BytesView data) {
    const std::size_t most = settings_.stderr_bytes;
    if (data.size() >= most) {
        errors_ = as_text(data.last(most));
        return;
    }
    errors_ += as_text(data);
    // Cut rarely: twice the size is kept meanwhile.
    if (errors_.size() > 2 * most) {
        errors_.erase(0, errors_.size() - most);
    }
}

std::string Stdio::error_tail() const {
    const std::size_t most = settings_.stderr_bytes;
    return errors_.size() > most ? errors_.substr(errors_.size() - most) : errors_;
}

bool Stdio::wait_until(SteadyTime time, bool for_input) {
    if (time > std::chrono::steady_clock::now() + kPatience && !flush()) {
        return false;
    }
    const int fd = for_input && settings_.input_is_pipe ? settings_.input_fd.get() : -1;
    return wait_for(fd, POLLIN, time);
}

void Stdio::finish() {
    if (streamed_) {
        if (stop_ == Stop::none) {
            static_cast<void>(flush());
        }
        stream_.reset();
    }
}

}  // namespace decloud::sandbox::wasm
