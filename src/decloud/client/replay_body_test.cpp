#include "replay_body.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <algorithm>

namespace decloud::client {
namespace {

Bytes pattern(std::size_t size) {
    Bytes out(size);
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
    }
    return out;
}

/// Gives `bytes` in pieces of at most `step`; counts what was read.
net::http::BodySource slow(const Bytes& bytes, std::size_t step, std::size_t& given) {
    net::http::BodySource out;
    out.read = [&bytes, step, &given](
                   std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
        const std::size_t count = std::min({step, buffer.size(), bytes.size() - given});
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(given), count, buffer.begin());
        given += count;
        co_return count;
    };
    return out;
}

async::Task<Result<Bytes>> drain(net::http::BodySource source, std::size_t most) {
    Bytes out;
    Bytes buffer(1000);
    while (out.size() < most) {
        CO_TRY(const std::size_t count, co_await source.read(buffer));
        if (count == 0) {
            break;
        }
        append(out, BytesView(buffer).first(count));
    }
    co_return out;
}

void run(std::function<async::Task<void>(async::Executor)> work) {
    boost::asio::io_context io(1);
    std::exception_ptr problem;
    boost::asio::co_spawn(
        io, work(io.get_executor()), [&](std::exception_ptr error) { problem = error; });
    io.run();
    if (problem) {
        std::rethrow_exception(problem);
    }
}

TEST(ReplayBody, IsReadOnceAndSentAsOftenAsNeeded) {
    const TemporaryFolder folder;
    const Bytes bytes = pattern(300'000);
    for (const std::uint64_t in_memory : {std::uint64_t{1} << 20U, std::uint64_t{10'000}}) {
        run([&](async::Executor executor) -> async::Task<void> {
            std::size_t given = 0;
            const auto body = ReplayBody::make(executor, slow(bytes, 7'000, given),
                {.in_memory = in_memory, .in_all = 1U << 20U, .folder = folder.path()});
            EXPECT_EQ((co_await drain(body->from_start(), 50'000)).value().size() / 50'000, 1U);
            EXPECT_LT(given, 60'000U) << "no more is read than is sent";
            EXPECT_EQ((co_await drain(body->from_start(), 1U << 20U)).value(), bytes);
            EXPECT_EQ((co_await drain(body->from_start(), 1U << 20U)).value(), bytes);
            EXPECT_EQ((co_await body->digest()).value(), crypto::sha256(bytes));
            EXPECT_EQ(given, bytes.size());
            co_await body->stop();
        });
    }
}

TEST(ReplayBody, WhatIsTooLongStreamsOnceAndIsNotSentAgain) {
    const Bytes bytes = pattern(300'000);
    run([&](async::Executor executor) -> async::Task<void> {
        std::size_t given = 0;
        const auto body = ReplayBody::make(executor, slow(bytes, 7'000, given),
            {.in_memory = 10'000, .in_all = 100'000, .folder = {}});
        EXPECT_EQ((co_await drain(body->from_start(), 1U << 20U)).value(), bytes);
        const auto again = co_await drain(body->from_start(), 1U << 20U);
        EXPECT_TRUE(!again && again.error() == make_error_code(CommonError::limit_exceeded));
        co_await body->stop();
    });
}

TEST(ReplayBody, AReaderThatIsCancelledLosesNoByte) {
    const Bytes bytes = pattern(50'000);
    run([&](async::Executor executor) -> async::Task<void> {
        std::size_t given = 0;
        async::Event open(executor);
        net::http::BodySource source = slow(bytes, 7'000, given);
        net::http::BodySource gated;
        gated.read = [&, inner = source.read](
                         std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
            CO_TRY_VOID(co_await open.wait(std::chrono::hours(1)));
            co_return co_await inner(buffer);
        };
        const auto body = ReplayBody::make(executor, gated);
        boost::asio::cancellation_signal signal;
        bool ended = false;
        boost::asio::co_spawn(executor, drain(body->from_start(), 1U << 20U),
            boost::asio::bind_cancellation_slot(
                signal.slot(), [&](std::exception_ptr, Result<Bytes>) { ended = true; }));
        co_await boost::asio::post(executor, boost::asio::use_awaitable);
        signal.emit(boost::asio::cancellation_type::terminal);
        open.set();
        EXPECT_EQ((co_await drain(body->from_start(), 1U << 20U)).value(), bytes);
        EXPECT_TRUE(ended);
        co_await body->stop();
    });
}

TEST(ReplayBody, MayBeEmpty) {
    run([](async::Executor executor) -> async::Task<void> {
        const auto body = ReplayBody::of(executor, {});
        EXPECT_EQ(co_await body->digest(), crypto::sha256(BytesView()));
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(co_await drain(body->from_start(), 10), Bytes());
        }
        co_await body->stop();
    });
}

}  // namespace
}  // namespace decloud::client
