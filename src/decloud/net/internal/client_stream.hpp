#pragma once

#include "../channel_binding.hpp"
#include "../stream.hpp"
#include "client_connection.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace decloud::net::http::internal {

/// A connection's bytes, those that were read already first. Single threaded.
class ClientStream final : public Stream, public ChannelBinding {
  public:
    explicit ClientStream(std::shared_ptr<ClientConnection> connection)
        : connection_(std::move(connection)) {}
    ClientStream(const ClientStream&) = delete;
    ClientStream& operator=(const ClientStream&) = delete;
    ~ClientStream() override { connection_->close(); }

    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        const auto connection = connection_;
        const BytesView early = connection->buffered();
        if (!early.empty()) {
            const std::size_t size = std::min(early.size(), buffer.size());
            std::memcpy(buffer.data(), early.data(), size);
            connection->consume(size);
            co_return size;
        }
        co_return co_await connection->transport->read(buffer);
    }
    async::Task<Result<void>> write(BytesView bytes) override {
        const auto connection = connection_;
        net::internal::WriteParts parts;
        parts.parts[0] = bytes;
        co_return co_await connection->transport->write(parts);
    }
    void shutdown_write() override { connection_->transport->shutdown_write(); }
    void close() override { connection_->close(); }
    Bytes exporter(std::string_view label) const override {
        return connection_->transport->exporter(label);
    }

  private:
    std::shared_ptr<ClientConnection> connection_;
};

}  // namespace decloud::net::http::internal
