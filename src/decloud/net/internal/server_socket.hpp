#pragma once

#include "../stream.hpp"
#include "../tls/server_context.hpp"
#include "socket.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace decloud::net::internal {

/// TLS over a socket's descriptor. Single threaded.
class TlsSession;

/// An accepted socket, with TLS or without. Single threaded.
class ServerSocket {
  public:
    /// Without a context there is no TLS.
    ServerSocket(Socket socket, const std::shared_ptr<TlsServerContext>& tls);
    ServerSocket(ServerSocket&&) noexcept;
    ServerSocket& operator=(ServerSocket&&) = delete;
    ServerSocket(const ServerSocket&) = delete;
    ServerSocket& operator=(const ServerSocket&) = delete;
    ~ServerSocket();

    [[nodiscard]] Socket& plain() { return socket_; }
    [[nodiscard]] bool is_secure() const { return tls_ != nullptr; }
    /// Before anything is read or written of a secure one. No timeout of its own. Errors:
    /// tls_failed.
    [[nodiscard]] async::Task<Result<void>> handshake();
    /// What ALPN chose.
    [[nodiscard]] bool speaks_http2() const;
    /// RFC 8446 §7.5: 32 bytes that both ends, and nobody else, can compute. Empty without TLS.
    [[nodiscard]] Bytes exporter(std::string_view label) const;

    /// As Asio's. Whoever calls keeps this until `handler(error, bytes)` is called.
    template <class Handler>
    void async_read_some(boost::asio::mutable_buffer buffer, Handler handler) {
        if (tls_) {
            read_secure(buffer, std::move(handler));
        } else {
            socket_.async_read_some(buffer, std::move(handler));
        }
    }
    /// As the function of that name.
    [[nodiscard]] WriteStatus try_write(WriteParts& parts) {
        return tls_ ? write_secure(parts) : internal::try_write(socket_, parts);
    }
    void shutdown_write();
    void close();

  private:
    using ReadHandler = std::function<void(boost::system::error_code, std::size_t)>;
    void read_secure(boost::asio::mutable_buffer buffer, ReadHandler handler);
    [[nodiscard]] WriteStatus write_secure(WriteParts& parts);

    Socket socket_;
    std::unique_ptr<TlsSession> tls_;
};

/// The socket's bytes as a Stream.
class SocketStream final : public Stream {
  public:
    explicit SocketStream(ServerSocket socket);
    SocketStream(const SocketStream&) = delete;
    SocketStream& operator=(const SocketStream&) = delete;
    ~SocketStream() override;
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override;
    [[nodiscard]] async::Task<Result<void>> write(BytesView bytes) override;
    void shutdown_write() override;
    void close() override;

  private:
    std::shared_ptr<ServerSocket> socket_;
};

}  // namespace decloud::net::internal
