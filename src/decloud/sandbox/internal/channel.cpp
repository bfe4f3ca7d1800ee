#include "channel.hpp"

#include <decloud/base/log.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>

namespace decloud::sandbox::internal {

namespace asio = boost::asio;
using Wait = asio::posix::stream_descriptor::wait_type;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);

}  // namespace

WorkerChannel::WorkerChannel(async::Executor executor, WorkerProcess process, Handlers handlers)
    : executor_(executor),
      process_(std::move(process)),
      handlers_(std::move(handlers)),
      socket_(executor, process_.socket().release()),
      // A descriptor of our own: the process keeps its for killing.
      pidfd_(executor, ::dup(process_.pidfd())),
      buffer_(kMaximumMessage),
      end_(executor),
      tasks_(executor) {
    tasks_.spawn(receive_loop());
    tasks_.spawn(reap_when_ended());
}

WorkerChannel::~WorkerChannel() = default;

void WorkerChannel::send(Bytes data, std::vector<UniqueFd> fds) {
    if (ended_) {
        return;
    }
    if (outgoing_.empty()) {
        std::array<int, kMaximumFds> numbers{};
        for (std::size_t i = 0; i < fds.size(); ++i) {
            numbers[i] = fds[i].get();
        }
        const auto sent = send_message(
            socket_.native_handle(), data, std::span(numbers).first(fds.size()), MSG_DONTWAIT);
        if (sent) {
            return;
        }
        if (sent.error() != make_error_code(CommonError::unavailable)) {
            // The process is dying; `on_end` will tell.
            return;
        }
    }
    outgoing_.push_back({std::move(data), std::move(fds)});
    if (!flushing_) {
        flushing_ = true;
        tasks_.spawn(flush());
    }
}

async::Task<void> WorkerChannel::flush() {
    while (!outgoing_.empty() && !ended_) {
        const auto [error] = co_await socket_.async_wait(Wait::wait_write, kResult);
        if (error) {
            break;
        }
        while (!outgoing_.empty()) {
            Outgoing& next = outgoing_.front();
            std::vector<int> numbers;
            numbers.reserve(next.fds.size());
            for (const UniqueFd& fd : next.fds) {
                numbers.push_back(fd.get());
            }
            const auto sent =
                send_message(socket_.native_handle(), next.data, numbers, MSG_DONTWAIT);
            if (!sent && sent.error() == make_error_code(CommonError::unavailable)) {
                break;
            }
            outgoing_.pop_front();
        }
    }
    flushing_ = false;
}

bool WorkerChannel::drain() {
    while (true) {
        auto message = receive_message(socket_.native_handle(), buffer_, MSG_DONTWAIT);
        if (!message) {
            return message.error() == make_error_code(CommonError::unavailable);
        }
        if (message->data.empty()) {
            return false;
        }
        if (!handlers_.on_message(std::move(*message))) {
            log::error(
                "sandbox", "worker {} sent a message that makes no sense: killed", process_.pid());
            return false;
        }
    }
}

async::Task<void> WorkerChannel::receive_loop() {
    while (true) {
        const auto [error] = co_await socket_.async_wait(Wait::wait_read, kResult);
        if (error || !drain()) {
            break;
        }
    }
    process_.kill();
}

async::Task<void> WorkerChannel::reap_when_ended() {
    co_await pidfd_.async_wait(Wait::wait_read, kResult);
    process_.kill();
    drain();
    std::string how = process_.reap();
    ended_ = true;
    outgoing_.clear();
    boost::system::error_code ignored;
    socket_.close(ignored);
    pidfd_.close(ignored);
    end_.set();
    handlers_.on_end(std::move(how));
}

async::Task<void> WorkerChannel::stop(std::chrono::milliseconds patience) {
    if (!ended_ && patience.count() > 0) {
        ::shutdown(socket_.native_handle(), SHUT_WR);
        static_cast<void>(co_await end_.wait(patience));
    }
    process_.kill();
    co_await tasks_.join();
}

}  // namespace decloud::sandbox::internal
