#pragma once

#include "transport.hpp"

#include <decloud/base/bytes.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace decloud::net::http::internal {

using TimePoint = std::chrono::steady_clock::time_point;

/// A connection of the client with its buffer and deadlines. Single threaded.
struct ClientConnection {
    ClientConnection(std::unique_ptr<net::internal::Transport> transport_in, std::string key_in)
        : transport(std::move(transport_in)), key(std::move(key_in)) {}

    std::unique_ptr<net::internal::Transport> transport;
    /// What it may be used for again: scheme, host and port.
    std::string key;
    Bytes input = Bytes(std::size_t{16} * 1024);
    std::size_t input_begin = 0;
    std::size_t input_end = 0;
    bool used_before = false;
    bool timed_out = false;
    bool closed = false;
    /// Of the pending read and write; in the pool, of the connection.
    TimePoint read_deadline = TimePoint::max();
    TimePoint write_deadline = TimePoint::max();

    [[nodiscard]] BytesView buffered() const {
        return BytesView(input).subspan(input_begin, input_end - input_begin);
    }
    void consume(std::size_t bytes) {
        input_begin += bytes;
        if (input_begin == input_end) {
            input_begin = input_end = 0;
        }
    }
    void close() {
        if (!closed) {
            closed = true;
            transport->close();
        }
    }
};

}  // namespace decloud::net::http::internal
