#include "relay.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace decloud::net {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{16} * 1024;

}  // namespace

Relay::Relay(const async::Executor& executor,
    std::unique_ptr<Stream> client,
    std::unique_ptr<Stream> server,
    RelaySettings settings,
    std::function<void(Relay&)> on_end)
    : client_(std::move(client)),
      server_(std::move(server)),
      settings_(std::move(settings)),
      on_end_(std::move(on_end)),
      timer_(executor),
      last_byte_(std::chrono::steady_clock::now()) {}

void Relay::start(async::TaskGroup& tasks) {
    tasks.spawn(pump(shared_from_this(), client_.get(), server_.get(), RelayDirection::to_server));
    tasks.spawn(pump(shared_from_this(), server_.get(), client_.get(), RelayDirection::to_client));
    tasks.spawn(watch(shared_from_this()));
}

void Relay::close() {
    client_->close();
    server_->close();
    timer_.cancel();
}

async::Task<void> Relay::pump(
    std::shared_ptr<Relay> self, Stream* from, Stream* to, RelayDirection direction) {
    std::array<std::uint8_t, kBufferBytes> buffer{};
    for (;;) {
        const auto got = co_await from->read(buffer);
        last_byte_ = std::chrono::steady_clock::now();
        if (got && *got == 0) {
            to->shutdown_write();
            break;
        }
        const bool may_pass = got && (!settings_.on_bytes || settings_.on_bytes(direction, *got));
        if (!may_pass || !co_await to->write(std::span(buffer).first(*got))) {
            close();
            break;
        }
        last_byte_ = std::chrono::steady_clock::now();
    }
    end_direction();
}

async::Task<void> Relay::watch(std::shared_ptr<Relay> self) {
    while (directions_ > 0) {
        timer_.expires_at(last_byte_ + settings_.idle);
        boost::system::error_code ignored;
        co_await timer_.async_wait(
            boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
        if (std::chrono::steady_clock::now() - last_byte_ >= settings_.idle) {
            close();
            co_return;
        }
    }
}

void Relay::end_direction() {
    if (--directions_ == 0) {
        close();
        on_end_(*this);
    }
}

}  // namespace decloud::net
