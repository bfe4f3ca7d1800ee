#include "fd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace decloud::sandbox::internal {

Result<Pipe> make_pipe(int flags) {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC | flags) != 0) {
        return fail(errno_error("pipe2"));
    }
    return Pipe{.reader = UniqueFd(fds[0]), .writer = UniqueFd(fds[1])};
}

Result<std::array<UniqueFd, 2>> make_stream_pair() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0) {
        return fail(errno_error("socketpair"));
    }
    return std::array<UniqueFd, 2>{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

bool is_unix_stream(int fd) {
    const auto option = [fd](int name) {
        int value = -1;
        socklen_t size = sizeof value;
        return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
    };
    return option(SO_DOMAIN) == AF_UNIX && option(SO_TYPE) == SOCK_STREAM &&
           option(SO_ACCEPTCONN) == 0;
}

Result<std::array<UniqueFd, 2>> make_socket_pair() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) {
        return fail(errno_error("socketpair"));
    }
    std::array<UniqueFd, 2> pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
    // Room for some messages of the largest size; the kernel may give less.
    const int size = 4 * 1024 * 1024;
    for (const UniqueFd& fd : pair) {
        if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
            ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        }
    }
    return pair;
}

Result<UniqueFd> make_sealed_memory(BytesView content) {
    UniqueFd fd(::memfd_create("decloud", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) {
        return fail(errno_error("memfd_create"));
    }
    TRY_VOID(write_all(fd.get(), content));
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) {
        return fail(errno_error("lseek"));
    }
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (::fcntl(fd.get(), F_ADD_SEALS, seals) != 0) {
        return fail(errno_error("sealing memory"));
    }
    return fd;
}

Result<Bytes> read_file_descriptor(int fd, std::uint64_t limit) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) {
        return fail(errno_error("fstat"));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(CommonError::invalid_input, "not a regular file");
    }
    if (static_cast<std::uint64_t>(status.st_size) > limit) {
        return fail(CommonError::limit_exceeded, "the file is too large");
    }
    Bytes content(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    while (done < content.size()) {
        const ssize_t count =
            ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("reading a file"));
        }
        if (count == 0) {
            return fail(CommonError::corrupt, "the file became shorter while it was read");
        }
        done += static_cast<std::size_t>(count);
    }
    return content;
}

Result<void> write_all(int fd, BytesView data) {
    while (!data.empty()) {
        const ssize_t count = ::write(fd, data.data(), data.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail(errno_error("writing"));
        }
        data = data.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Result<void> set_nonblocking(int fd, bool on) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0) {
        return fail(errno_error("fcntl"));
    }
    return {};
}

namespace {

struct ControlBuffer {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaximumFds * sizeof(int))> data{};
};

}  // namespace

Result<void> send_message(int socket, BytesView data, std::span<const int> fds, int flags) {
    iovec vector{const_cast<std::uint8_t*>(data.data()), data.size()};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    ControlBuffer control;
    if (!fds.empty()) {
        if (fds.size() > kMaximumFds) {
            return fail(CommonError::internal, "too many descriptors in one message");
        }
        header.msg_control = control.data.data();
        header.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* item = CMSG_FIRSTHDR(&header);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(item), fds.data(), fds.size_bytes());
    }
    while (true) {
        if (::sendmsg(socket, &header, flags | MSG_NOSIGNAL) >= 0) {
            return {};
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return fail(CommonError::unavailable, "the socket is full");
        }
        if (errno != EINTR) {
            return fail(errno_error("sendmsg"));
        }
    }
}

namespace {

std::vector<UniqueFd> take_fds(msghdr& header) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr;
        item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

}  // namespace

Result<Message> receive_message(int socket, std::span<std::uint8_t> buffer, int flags) {
    iovec vector{buffer.data(), buffer.size()};
    ControlBuffer control;
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.data.data();
    header.msg_controllen = control.data.size();
    ssize_t count = 0;
    do {
        count = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return fail(CommonError::unavailable, "nothing to receive");
        }
        return fail(errno_error("recvmsg"));
    }
    Message message{
        .data = buffer.first(static_cast<std::size_t>(count)),
        .fds = header.msg_controllen > 0 ? take_fds(header) : std::vector<UniqueFd>{},
    };
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return fail(CommonError::corrupt, "a message was too long");
    }
    return message;
}

}  // namespace decloud::sandbox::internal
