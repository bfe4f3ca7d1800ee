#pragma once

#include "../http/message.hpp"
#include "../stream.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/task.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace decloud::net {
struct PeerAddress;
}

namespace decloud::net::http::internal {

/// What an Exchange needs of the protocol that carries it; `serial` names the request on it. The
/// meanings and errors are Exchange's.
class ExchangePort {
  public:
    ExchangePort() = default;
    ExchangePort(const ExchangePort&) = delete;
    ExchangePort& operator=(const ExchangePort&) = delete;
    virtual ~ExchangePort() = default;

    /// False once the request's handler has returned.
    [[nodiscard]] virtual bool is_current(std::uint64_t serial) const = 0;
    [[nodiscard]] virtual const RequestHead& request() const = 0;
    [[nodiscard]] virtual const PeerAddress& peer() const = 0;
    [[nodiscard]] virtual std::optional<std::uint64_t> body_length() const = 0;
    [[nodiscard]] virtual const Headers& request_trailers() const = 0;
    [[nodiscard]] virtual bool continue_owed() const = 0;
    [[nodiscard]] virtual bool answered() const = 0;
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read_body(
        std::uint64_t serial, std::span<std::uint8_t> buffer) = 0;
    [[nodiscard]] virtual async::Task<Result<Bytes>> read_all(
        std::uint64_t serial, std::uint64_t limit) = 0;
    [[nodiscard]] virtual async::Task<Result<void>> send(
        std::uint64_t serial, ResponseHead head, Bytes body) = 0;
    [[nodiscard]] virtual async::Task<Result<void>> send(
        std::uint64_t serial, ResponseHead head, std::string body) = 0;
    [[nodiscard]] virtual async::Task<Result<void>> start(
        std::uint64_t serial, ResponseHead head) = 0;
    [[nodiscard]] virtual async::Task<Result<void>> write_body(
        std::uint64_t serial, BytesView bytes) = 0;
    [[nodiscard]] virtual async::Task<Result<void>> finish(
        std::uint64_t serial, Headers trailers) = 0;
    [[nodiscard]] virtual async::Task<Result<std::unique_ptr<Stream>>> upgrade(
        std::uint64_t serial, ResponseHead head) = 0;
    [[nodiscard]] virtual async::Task<Result<void>> accept_connect(std::uint64_t serial) = 0;
    [[nodiscard]] virtual bool through_connect() const = 0;
    virtual void abort() = 0;
    [[nodiscard]] virtual async::CancellationToken hang_up() = 0;
};

}  // namespace decloud::net::http::internal
