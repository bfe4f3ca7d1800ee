#include "pipeline.hpp"
#include "testing/endless_service.hpp"
#include "testing/metered_service.hpp"
#include "testing/voucher_book_method.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/websocket/frame.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

using net::websocket::Opcode;

/// A server with the endless service, and a client who pays from a book.
class StreamsTest : public ::testing::Test {
  protected:
    StreamsTest() : pipeline_(system_clock(), metrics::null_registry()) {
        pipeline_.add_service(testing::make_endless_service(std::chrono::milliseconds(20)));
        pipeline_.add_payment_method(testing::make_voucher_book_method(book_));
        book_.asset = {testing::kMeteredAsset};
        book_.left["ann"] = Amount(190);
    }

    async::Task<void> answer(net::http::Exchange exchange) {
        auto call = std::make_shared<protocol::Call>();
        call->head = exchange.request();
        call->service = "endless";
        call->method = std::string(call->head.path().substr(1));
        call->content_length = exchange.content_length();
        call->client = "192.0.2.1";
        call->payment =
            protocol::parse_payment_header(*call->head.headers.find("OpenCloud-Payment")).value();
        co_await pipeline_.handle(std::move(exchange), call);
    }

    async::Task<void> exchange(std::string method) {
        auto server = net::http::Server::listen(context_.get_executor(),
            net::parse_endpoint("127.0.0.1:0").value(), {},
            [this](net::http::Exchange exchange) { return answer(std::move(exchange)); });
        async::TaskGroup group(context_.get_executor());
        group.spawn((*server)->run());
        net::http::Client client(context_.get_executor(), {}, net::OutboundPolicy::trusted());
        net::http::ClientRequest request{.method = "GET", .target = "/" + method};
        request.headers.add(
            "OpenCloud-Payment", protocol::format_attached_payment("book", as_bytes("ann/1")));
        if (method == "frames") {
            request.headers.add("Upgrade", "websocket");
        }
        auto response = co_await client.request(
            net::parse_url("http://" + (*server)->local_endpoint().to_string()).value(),
            std::move(request));
        head_ = response.value().head();
        if (head_.status == 101) {
            co_await read_frames(*response->upgrade().value());
        } else {
            const auto body = co_await response->read_all(1 << 20);
            EXPECT_TRUE(body) << "the answer is whole";
            body_ = body.value_or(Bytes{});
            trailers_ = response->trailers();
        }
        co_await client.stop();
        co_await (*server)->stop(std::chrono::seconds(5));
        co_await group.join();
    }

    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    async::Task<void> read_frames(net::Stream& stream) {
        Bytes buffer(4096);
        for (;;) {
            const auto got = co_await stream.read(buffer);
            EXPECT_TRUE(got) << "the connection ends properly";
            if (got.value_or(0) == 0) {
                break;
            }
            append(body_, BytesView(buffer).first(*got));
        }
        stream.close();
    }

    void run(std::string method) {
        async::TaskGroup group(context_.get_executor());
        group.spawn(exchange(std::move(method)));
        context_.run();
    }

    boost::asio::io_context context_;
    testing::VoucherBook book_;
    Pipeline pipeline_;
    net::http::ResponseHead head_;
    net::http::Headers trailers_;
    Bytes body_;
};

TEST_F(StreamsTest, EventsArePaidByTheIntervalAndEndWell) {
    for (const std::string method : {"events", "silence"}) {
        book_.left["ann"] = Amount(190);
        book_.used.clear();
        body_.clear();
        context_.restart();
        run(method);
        EXPECT_EQ(head_.status, 200);
        EXPECT_EQ(head_.headers.find("OpenCloud-Interval"), "0.02;price=50");
        EXPECT_EQ(body_.empty(), method == "silence");
        EXPECT_EQ(trailers_.find("OpenCloud-Intervals"), "3");
        EXPECT_EQ(trailers_.find("X-Decloud-Receipt"), "/receipts/receipt-1");
        EXPECT_EQ(book_.left["ann"], Amount(40)) << "the third is the last that there is money for";
    }
    EXPECT_EQ(book_.intervals, 4);
}

TEST_F(StreamsTest, AWebSocketIsClosedBetweenTwoFramesAndToldWhy) {
    run("frames");
    EXPECT_EQ(head_.headers.find("OpenCloud-Interval"), "0.02;price=50");
    BytesView rest(body_);
    std::optional<net::websocket::FrameHead> last;
    while (!rest.empty()) {
        const auto head =
            net::websocket::parse_frame_head(rest, net::websocket::Role::server).value();
        ASSERT_TRUE(head);
        ASSERT_LE(head->size + head->length, rest.size());
        last = head;
        if (head->opcode == Opcode::close) {
            break;
        }
        EXPECT_EQ(head->length, 300U);
        rest = rest.subspan(head->size + head->length);
    }
    ASSERT_TRUE(last);
    EXPECT_EQ(last->opcode, Opcode::close);
    EXPECT_EQ(rest.size(), last->size + last->length) << "nothing follows it";
    const Bytes policy_violation{1008 >> 8, 1008 & 0xff};
    EXPECT_TRUE(std::ranges::equal(rest.subspan(last->size, 2), policy_violation));
    EXPECT_EQ(
        as_text(rest.subspan(last->size + 2)), "receipt receipt-1: the book has too little left");
    EXPECT_EQ(book_.left["ann"], Amount(40));
    EXPECT_EQ(book_.intervals, 2);
}

TEST_F(StreamsTest, AnAnswerThatTakesItsTimeIsOneCall) {
    run("text");
    EXPECT_EQ(as_text(body_), "the end");
    EXPECT_FALSE(head_.headers.contains("OpenCloud-Interval"));
    EXPECT_FALSE(trailers_.contains("OpenCloud-Intervals"));
    EXPECT_EQ(book_.left["ann"], Amount(140));
    EXPECT_EQ(book_.intervals, 0);
}

}  // namespace
}  // namespace decloud::pipeline
