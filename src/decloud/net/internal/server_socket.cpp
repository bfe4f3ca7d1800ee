#include "server_socket.hpp"

#include "../error.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

namespace decloud::net::internal {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kRecordBytes = std::size_t{16} * 1024;

}  // namespace

class TlsSession {
  public:
    TlsSession(SSL_CTX* context, int descriptor) : ssl_(SSL_new(context), SSL_free) {
        SSL_set_fd(ssl_.get(), descriptor);
        SSL_set_accept_state(ssl_.get());
    }

    [[nodiscard]] SSL* get() const { return ssl_.get(); }

    struct ReadResult {
        std::size_t bytes = 0;
        /// There may be more later.
        bool open = true;
    };

    [[nodiscard]] ReadResult read(void* data, std::size_t size) {
        ERR_clear_error();
        const int wanted =
            static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
        const int got = SSL_read(get(), data, wanted);
        if (got > 0) {
            return {.bytes = static_cast<std::size_t>(got)};
        }
        return {.open = SSL_get_error(get(), got) == SSL_ERROR_WANT_READ};
    }

    // After "would block" the same bytes come again, and perhaps more behind them.
    [[nodiscard]] WriteStatus write(WriteParts& parts) {
        while (!parts.empty()) {
            const BytesView record = join(parts);
            ERR_clear_error();
            const int sent = SSL_write(get(), record.data(), static_cast<int>(record.size()));
            if (sent <= 0) {
                return SSL_get_error(get(), sent) == SSL_ERROR_WANT_WRITE ? WriteStatus::would_block
                                                                          : WriteStatus::failed;
            }
            parts.advance(static_cast<std::size_t>(sent));
        }
        return WriteStatus::done;
    }

  private:
    /// The first record's worth of `parts`; copied only where it lies in several of them.
    [[nodiscard]] BytesView join(const WriteParts& parts) {
        const auto filled = [](BytesView part) { return !part.empty(); };
        const auto* const first = std::ranges::find_if(parts.parts, filled);
        if (first->size() >= kRecordBytes ||
            std::find_if(first + 1, parts.parts.end(), filled) == parts.parts.end()) {
            return first->first(std::min(first->size(), kRecordBytes));
        }
        joined_.clear();
        for (const BytesView part : parts.parts) {
            append(joined_, part.first(std::min(part.size(), kRecordBytes - joined_.size())));
        }
        return joined_;
    }

    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
    Bytes joined_;
};

ServerSocket::ServerSocket(Socket socket, const std::shared_ptr<TlsServerContext>& tls)
    : socket_(std::move(socket)) {
    if (tls) {
        tls_ = std::make_unique<TlsSession>(
            static_cast<SSL_CTX*>(tls->native()), socket_.native_handle());
    }
}

ServerSocket::ServerSocket(ServerSocket&&) noexcept = default;
ServerSocket::~ServerSocket() = default;

async::Task<Result<void>> ServerSocket::handshake() {
    for (;;) {
        ERR_clear_error();
        const int result = SSL_do_handshake(tls_->get());
        if (result == 1) {
            co_return Result<void>{};
        }
        const int reason = SSL_get_error(tls_->get(), result);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
            co_return fail(NetError::tls_failed);
        }
        boost::system::error_code error;
        co_await socket_.async_wait(
            reason == SSL_ERROR_WANT_READ ? Socket::wait_read : Socket::wait_write,
            asio::redirect_error(asio::use_awaitable, error));
        if (error || !socket_.is_open()) {
            co_return fail(NetError::connection_closed);
        }
    }
}

bool ServerSocket::speaks_http2() const {
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    if (tls_) {
        SSL_get0_alpn_selected(tls_->get(), &protocol, &size);
    }
    return size == 2 && std::memcmp(protocol, "h2", 2) == 0;
}

Bytes ServerSocket::exporter(std::string_view label) const {
    Bytes out(tls_ ? 32 : 0);
    if (tls_ && SSL_export_keying_material(tls_->get(), out.data(), out.size(), label.data(),
                    label.size(), nullptr, 0, 0) != 1) {
        out.clear();
    }
    return out;
}

void ServerSocket::read_secure(asio::mutable_buffer buffer, ReadHandler handler) {
    const auto result = tls_->read(buffer.data(), buffer.size());
    if (result.bytes > 0 || !result.open) {
        const boost::system::error_code error =
            result.bytes > 0 ? boost::system::error_code() : asio::error::eof;
        asio::post(socket_.get_executor(),
            [handler = std::move(handler), error, bytes = result.bytes] { handler(error, bytes); });
        return;
    }
    socket_.async_wait(Socket::wait_read,
        [this, buffer, handler = std::move(handler)](boost::system::error_code error) mutable {
            if (error || !socket_.is_open()) {
                handler(error ? error : asio::error::operation_aborted, 0);
            } else {
                read_secure(buffer, std::move(handler));
            }
        });
}

WriteStatus ServerSocket::write_secure(WriteParts& parts) { return tls_->write(parts); }

void ServerSocket::shutdown_write() {
    if (tls_ && socket_.is_open()) {
        ERR_clear_error();
        SSL_shutdown(tls_->get());
    }
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
}

void ServerSocket::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

SocketStream::SocketStream(ServerSocket socket)
    : socket_(std::make_shared<ServerSocket>(std::move(socket))) {}

SocketStream::~SocketStream() { socket_->close(); }

async::Task<Result<std::size_t>> SocketStream::read(std::span<std::uint8_t> buffer) {
    const auto socket = socket_;
    // -1: it failed.
    const std::ptrdiff_t got =
        co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::ptrdiff_t)>(
            [socket, buffer](auto handler) {
                const auto waiter = std::make_shared<decltype(handler)>(std::move(handler));
                socket->async_read_some(asio::buffer(buffer.data(), buffer.size()),
                    [socket, waiter](boost::system::error_code error, std::size_t bytes) {
                        const bool failed = error && error != asio::error::eof;
                        std::move (*waiter)(failed ? -1 : static_cast<std::ptrdiff_t>(bytes));
                    });
            },
            asio::use_awaitable);
    if (got < 0) {
        co_return fail(NetError::connection_closed);
    }
    co_return static_cast<std::size_t>(got);
}

async::Task<Result<void>> SocketStream::write(BytesView bytes) {
    const auto socket = socket_;
    WriteParts parts;
    parts.parts[0] = bytes;
    for (;;) {
        if (!socket->plain().is_open()) {
            co_return fail(NetError::connection_closed);
        }
        switch (socket->try_write(parts)) {
            case WriteStatus::done:
                co_return Result<void>{};
            case WriteStatus::failed:
                co_return fail(NetError::connection_closed);
            case WriteStatus::would_block:
                break;
        }
        boost::system::error_code error;
        co_await socket->plain().async_wait(
            Socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_return fail(NetError::connection_closed);
        }
    }
}

void SocketStream::shutdown_write() { socket_->shutdown_write(); }
void SocketStream::close() { socket_->close(); }

}  // namespace decloud::net::internal
