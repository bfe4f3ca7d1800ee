#pragma once

#include "../address.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <array>
#include <cstddef>

namespace decloud::net::internal {

/// A TCP or Unix stream socket.
using Socket = boost::asio::generic::stream_protocol::socket;

/// What is to be written, front part first. Views only.
struct WriteParts {
    std::array<BytesView, 4> parts;

    [[nodiscard]] bool empty() const {
        for (const BytesView part : parts) {
            if (!part.empty()) {
                return false;
            }
        }
        return true;
    }
    void advance(std::size_t bytes);
};

enum class WriteStatus { done, would_block, failed };

/// Hands as much as possible to the operating system without waiting; `parts` keeps the rest.
[[nodiscard]] WriteStatus try_write(Socket& socket, WriteParts& parts);

/// No delay for small packets, no blocking calls.
void prepare(Socket& socket);

/// Makes `close` reset the connection, so that the peer cannot take what it got for complete.
void reset_on_close(Socket& socket);

[[nodiscard]] PeerAddress peer_of(const Socket& socket);

}  // namespace decloud::net::internal
