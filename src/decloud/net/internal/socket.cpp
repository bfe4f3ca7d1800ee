#include "socket.hpp"

#include <boost/asio/socket_base.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace decloud::net::internal {

void WriteParts::advance(std::size_t bytes) {
    for (BytesView& part : parts) {
        const std::size_t taken = std::min(bytes, part.size());
        part = part.subspan(taken);
        bytes -= taken;
    }
}

WriteStatus try_write(Socket& socket, WriteParts& parts) {
    while (!parts.empty()) {
        std::array<iovec, 4> vectors{};
        std::size_t count = 0;
        for (const BytesView part : parts.parts) {
            if (!part.empty()) {
                vectors[count++] = {const_cast<std::uint8_t*>(part.data()), part.size()};
            }
        }
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = count;
        const ssize_t sent =
            ::sendmsg(socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN || errno == EWOULDBLOCK ? WriteStatus::would_block
                                                           : WriteStatus::failed;
        }
        parts.advance(static_cast<std::size_t>(sent));
    }
    return WriteStatus::done;
}

void prepare(Socket& socket) {
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    const int on = 1;
    // Fails on a Unix socket, which needs no such thing.
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void reset_on_close(Socket& socket) {
    boost::system::error_code ignored;
    socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
}

PeerAddress peer_of(const Socket& socket) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    PeerAddress peer;
    if (::getpeername(const_cast<Socket&>(socket).native_handle(),
            reinterpret_cast<sockaddr*>(&storage), &size) != 0 ||
        storage.ss_family == AF_UNIX) {
        peer.is_unix = storage.ss_family == AF_UNIX;
        return peer;
    }
    if (storage.ss_family == AF_INET6) {
        sockaddr_in6 address{};
        std::memcpy(&address, &storage, sizeof(address));
        std::array<std::uint8_t, 16> octets{};
        std::memcpy(octets.data(), &address.sin6_addr, octets.size());
        peer.ip = IpAddress::v6(octets).unmapped();
        peer.port = ntohs(address.sin6_port);
    } else {
        sockaddr_in address{};
        std::memcpy(&address, &storage, sizeof(address));
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), &address.sin_addr, octets.size());
        peer.ip = IpAddress::v4(octets);
        peer.port = ntohs(address.sin_port);
    }
    return peer;
}

}  // namespace decloud::net::internal
