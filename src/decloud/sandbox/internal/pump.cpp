#include "pump.hpp"

#include <decloud/base/units.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

namespace decloud::sandbox::internal {

namespace asio = boost::asio;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kChunk = 64 * kKiB;

}  // namespace

async::Task<Result<void>> pump_in(
    std::shared_ptr<BodySource> body, InputPipe pipe, std::uint64_t limit) {
    Bytes chunk(kChunk);
    while (true) {
        Result<std::size_t> count = std::size_t{0};
        try {
            count = co_await body->read(chunk);
        } catch (const boost::system::system_error& error) {
            count = fail(Error(std::error_code(error.code())));
        }
        if (!count) {
            co_return fail(count.error());
        }
        if (*count == 0) {
            boost::system::error_code ignored;
            pipe->close(ignored);
            co_return Result<void>{};
        }
        if (*count > limit) {
            co_return fail(CommonError::limit_exceeded, "the request is larger than allowed");
        }
        limit -= *count;
        const auto [error, written] =
            co_await asio::async_write(*pipe, asio::buffer(chunk.data(), *count), kResult);
        if (error) {
            co_return Result<void>{};
        }
    }
}

async::Task<Result<std::uint64_t>> pump_out(
    UniqueFd pipe, std::shared_ptr<ResponseSink> sink, std::uint64_t limit) {
    asio::posix::stream_descriptor source(co_await asio::this_coro::executor, pipe.release());
    Bytes chunk(kChunk);
    std::uint64_t total = 0;
    while (true) {
        const auto [error, count] = co_await source.async_read_some(asio::buffer(chunk), kResult);
        if (error == asio::error::eof) {
            co_return total;
        }
        if (error) {
            co_return fail(Error(std::error_code(error)));
        }
        total += count;
        if (total > limit) {
            co_return fail(CommonError::limit_exceeded, "the answer is larger than allowed");
        }
        CO_TRY_VOID(co_await sink->write(BytesView(chunk).first(count)));
    }
}

async::Task<void> keep_tail(UniqueFd pipe,
    std::string* tail,
    std::size_t limit,
    std::function<void(std::string_view)> heard) {
    asio::posix::stream_descriptor source(co_await asio::this_coro::executor, pipe.release());
    Bytes chunk(kChunk / 8);
    while (true) {
        const auto [error, count] = co_await source.async_read_some(asio::buffer(chunk), kResult);
        if (error) {
            break;
        }
        const std::string_view text = as_text(BytesView(chunk).first(count));
        if (heard) {
            heard(text);
        }
        *tail += text;
        if (tail->size() > 2 * limit) {
            tail->erase(0, tail->size() - limit);
        }
    }
    if (tail->size() > limit) {
        tail->erase(0, tail->size() - limit);
    }
}

}  // namespace decloud::sandbox::internal
