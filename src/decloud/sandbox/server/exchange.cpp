#include "exchange.hpp"

#include "http_message.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/units.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace decloud::sandbox::server {

namespace asio = boost::asio;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kChunk = 64 * kKiB;
/// What a server has left to say to a client that has ended an upgraded connection.
constexpr std::chrono::seconds kLastWords{5};

class Exchange {
  public:
    Exchange(async::Executor executor,
        internal::UniqueFd connection,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits)
        : socket_(executor, connection.release()),
          timer_(executor),
          body_(std::move(body)),
          sink_(std::move(sink)),
          limits_(limits),
          input_(executor) {}

    async::Task<ExchangeResult> run(CgiRequest request, async::CancellationToken cancel) {
        const auto registration = cancel.on_cancel(
            [this] { end(upgraded_ ? Outcome::End::exited : Outcome::End::killed, "cancelled"); });
        end_at(std::chrono::steady_clock::now() + limits_.wall);
        AnswerReader reader(!request.upgrade.empty()   ? AnswerReader::Asked::upgrade
                            : request.method == "HEAD" ? AnswerReader::Asked::head
                                                       : AnswerReader::Asked::any);
        input_.spawn(send(std::move(request)));
        co_await receive(reader);
        // The timer's handler refers to this object until it has run.
        timer_.cancel();
        input_over_ = true;
        input_.cancel();
        co_await input_.join();
        co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
        co_return judge(reader);
    }

  private:
    /// Ends the exchange for a reason of ours.
    void end(Outcome::End reason, std::string detail) {
        if (!reason_) {
            reason_ = reason;
            detail_ = std::move(detail);
            boost::system::error_code ignored;
            socket_.cancel(ignored);
        }
    }

    /// Has the exchange end then at the latest.
    void end_at(std::chrono::steady_clock::time_point when) {
        timer_.expires_at(when);
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error) {
                end(upgraded_ ? Outcome::End::exited : Outcome::End::timed_out,
                    "the time limit was reached");
            }
        });
    }

    /// The server has said 101: from now on the client's bytes go to it.
    async::Task<void> pass_on_upgraded() {
        const auto sent = co_await send_body(false);
        if (input_over_) {
            co_return;
        }
        if (sent || sent.error() != make_error_code(CommonError::limit_exceeded)) {
            ::shutdown(socket_.native_handle(), SHUT_WR);
            end_at(std::min(timer_.expiry(), std::chrono::steady_clock::now() + kLastWords));
        } else {
            end(Outcome::End::limit, sent.error().detail());
        }
    }

    async::Task<bool> write(std::string_view front, BytesView data, std::string_view back) {
        const std::array<asio::const_buffer, 3> buffers{asio::buffer(front.data(), front.size()),
            asio::buffer(data.data(), data.size()), asio::buffer(back.data(), back.size())};
        const auto [error, count] = co_await asio::async_write(socket_, buffers, kResult);
        co_return !error;
    }

    async::Task<void> send(CgiRequest request) {
        if (!request.upgrade.empty()) {
            co_await write(make_request_head(request, {.length = 0}), {}, "");
            co_return;
        }
        const Bytes* whole = body_->whole();
        BodyFraming framing{.length = request.content_length};
        if (whole != nullptr) {
            framing.length = whole->size();
        }
        const std::string head = make_request_head(request, framing);
        if (whole != nullptr) {
            co_await write(head, *whole, "");
            co_return;
        }
        // A server that takes no more may answer all the same.
        if (co_await write(head, {}, "")) {
            const auto sent = co_await send_body(!framing.length);
            if (!sent && !input_over_) {
                const bool large = sent.error() == make_error_code(CommonError::limit_exceeded);
                end(large ? Outcome::End::limit : Outcome::End::killed, sent.error().detail());
            }
        }
    }

    async::Task<Result<void>> send_body(bool chunked) {
        Bytes chunk(kChunk);
        std::uint64_t left = limits_.request_bytes;
        while (true) {
            Result<std::size_t> count = std::size_t{0};
            try {
                count = co_await body_->read(chunk);
            } catch (const boost::system::system_error& error) {
                count = fail(Error(std::error_code(error.code())));
            }
            if (!count) {
                co_return fail(count.error());
            }
            if (*count > left) {
                co_return fail(CommonError::limit_exceeded, "the request is larger than allowed");
            }
            left -= *count;
            const bool last = *count == 0;
            const std::string front = chunked ? fmt::format("{:x}\r\n", *count) : "";
            const bool more =
                co_await write(front, BytesView(chunk).first(*count), chunked ? "\r\n" : "");
            if (last || !more) {
                co_return Result<void>{};
            }
        }
    }

    async::Task<void> receive(AnswerReader& reader) {
        Bytes chunk(kChunk);
        while (!reader.complete() && !reason_) {
            const auto [error, count] =
                co_await socket_.async_read_some(asio::buffer(chunk), kResult);
            if (error) {
                if (!reason_ && !reader.finish()) {
                    broken_ = true;
                }
                co_return;
            }
            Bytes out;
            if (const auto fed = reader.feed(BytesView(chunk).first(count), out); !fed) {
                end(fed.error() == make_error_code(CommonError::limit_exceeded)
                        ? Outcome::End::limit
                        : Outcome::End::trapped,
                    fed.error().detail());
                co_return;
            }
            co_await hand_over(std::move(out));
            if (reader.upgraded() && !std::exchange(upgraded_, reader.upgraded())) {
                input_.spawn(pass_on_upgraded());
            }
        }
    }

    async::Task<void> hand_over(Bytes out) {
        total_ += out.size();
        if (total_ > limits_.response_bytes) {
            end(Outcome::End::limit, "the answer is larger than allowed");
        } else if (!out.empty() && !co_await sink_->write(out)) {
            end(upgraded_ ? Outcome::End::exited : Outcome::End::killed,
                "the answer could not be delivered");
        }
    }

    ExchangeResult judge(const AnswerReader& reader) {
        ExchangeResult result{.outcome = {}, .broken = broken_ && !reason_};
        result.outcome.end = reason_ ? *reason_ : Outcome::End::exited;
        result.outcome.detail = std::move(detail_);
        if (result.broken) {
            result.outcome.end = Outcome::End::trapped;
            result.outcome.detail = reader.started()
                                        ? "the server closed the connection within its answer"
                                        : "the server closed the connection without an answer";
        }
        result.outcome.stdout_bytes = total_;
        return result;
    }

    asio::posix::stream_descriptor socket_;
    asio::steady_timer timer_;
    std::shared_ptr<BodySource> body_;
    std::shared_ptr<ResponseSink> sink_;
    Limits limits_;
    std::uint64_t total_ = 0;
    bool broken_ = false;
    bool input_over_ = false;
    bool upgraded_ = false;
    std::optional<Outcome::End> reason_;
    std::string detail_;
    async::TaskGroup input_;
};

}  // namespace

async::Task<ExchangeResult> exchange(internal::UniqueFd connection,
    CgiRequest request,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    Exchange exchange(co_await asio::this_coro::executor, std::move(connection), std::move(body),
        std::move(sink), limits);
    co_return co_await exchange.run(std::move(request), std::move(cancel));
}

}  // namespace decloud::sandbox::server
