#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <unistd.h>

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace decloud::sandbox::internal {

/// Owns a file descriptor.
class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        reset(other.release());
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = fd;
    }

  private:
    int fd_ = -1;
};

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
};

/// Close-on-exec; `flags` may add O_NONBLOCK for both ends.
[[nodiscard]] Result<Pipe> make_pipe(int flags = 0);
/// A connected pair of SOCK_SEQPACKET sockets, close-on-exec.
[[nodiscard]] Result<std::array<UniqueFd, 2>> make_socket_pair();
/// A connected pair of SOCK_STREAM sockets, close-on-exec, that do not block.
[[nodiscard]] Result<std::array<UniqueFd, 2>> make_stream_pair();
/// True for a stream socket of the Unix family that does not listen.
[[nodiscard]] bool is_unix_stream(int fd);
/// A file in memory that holds `content` and can no longer be changed.
[[nodiscard]] Result<UniqueFd> make_sealed_memory(BytesView content);
/// The whole file from its start; limit_exceeded if it is larger than `limit`.
[[nodiscard]] Result<Bytes> read_file_descriptor(int fd, std::uint64_t limit);
/// Writes everything; for files and blocking descriptors.
[[nodiscard]] Result<void> write_all(int fd, BytesView data);
[[nodiscard]] Result<void> set_nonblocking(int fd, bool on);

/// One message and the descriptors that came with it.
struct Message {
    BytesView data;
    std::vector<UniqueFd> fds;
};

inline constexpr std::size_t kMaximumMessage = 192 * 1024;
inline constexpr std::size_t kMaximumFds = 6;

/// Sends one message; `flags` as for sendmsg (MSG_NOSIGNAL is added). Errors: unavailable if it
/// would block, else from errno.
[[nodiscard]] Result<void> send_message(
    int socket, BytesView data, std::span<const int> fds, int flags);
/// Receives one message into `buffer`, which backs the result. An empty `data` is the end.
/// Errors: unavailable if it would block, corrupt if the message was longer than the buffer.
[[nodiscard]] Result<Message> receive_message(
    int socket, std::span<std::uint8_t> buffer, int flags);

}  // namespace decloud::sandbox::internal
