#include "pipeline.hpp"

#include "failed_attempts.hpp"
#include "testing/metered_service.hpp"
#include "testing/voucher_book_method.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/json.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/http/server.hpp>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

using testing::VoucherBook;

/// A server that hands everything to a pipeline with the test's service and payment method, and a
/// client.
class PipelineTest : public ::testing::Test {
  protected:
    explicit PipelineTest(BodyBudget::Limits unpaid_bodies = {})
        : pipeline_(system_clock(), metrics::null_registry(), {}, unpaid_bodies) {
        pipeline_.add_service(testing::make_metered_service());
        pipeline_.add_payment_method(testing::make_voucher_book_method(book_));
        book_.asset = {testing::kMeteredAsset};
        book_.left["ann"] = Amount(150);
    }

    struct Reply {
        int status = 0;
        net::http::Headers headers;
        std::string body;
    };

    async::Task<void> answer(net::http::Exchange exchange) {
        auto call = std::make_shared<protocol::Call>();
        call->head = exchange.request();
        call->service = std::string(call->head.path().substr(1));
        call->method = call->head.query();
        call->content_length = exchange.content_length();
        call->client = call->head.headers.find("Test-Client").value_or("192.0.2.1");
        if (const auto field = call->head.headers.find("OpenCloud-Payment")) {
            call->payment = protocol::parse_payment_header(*field).value();
        }
        co_await pipeline_.handle(std::move(exchange), call);
    }

    async::Task<void> exchange_all(std::vector<net::http::ClientRequest> requests) {
        auto server = net::http::Server::listen(context_.get_executor(),
            net::parse_endpoint("127.0.0.1:0").value(), {},
            [this](net::http::Exchange exchange) { return answer(std::move(exchange)); });
        EXPECT_TRUE(server) << server.error().message();
        async::TaskGroup group(context_.get_executor());
        group.spawn((*server)->run());
        net::http::Client client(context_.get_executor(), {}, net::OutboundPolicy::trusted());
        const auto url =
            net::parse_url("http://" + (*server)->local_endpoint().to_string()).value();
        for (auto& request : requests) {
            auto response = co_await client.request(url, std::move(request));
            EXPECT_TRUE(response) << response.error().message();
            const Bytes body = (co_await response->read_all(1 << 20)).value();
            replies_.push_back(
                {response->status(), response->head().headers, std::string(as_text(body))});
        }
        co_await client.stop();
        co_await (*server)->stop(std::chrono::seconds(5));
        co_await group.join();
    }

    void run(std::vector<net::http::ClientRequest> requests) {
        async::TaskGroup group(context_.get_executor());
        group.spawn(exchange_all(std::move(requests)));
        context_.run();
        context_.restart();
    }

    static net::http::ClientRequest request(
        std::string target, std::string body, std::string payment = {}) {
        net::http::ClientRequest out;
        out.method = "POST";
        out.target = std::move(target);
        out.body = to_bytes(body);
        if (!payment.empty()) {
            out.headers.add(
                "OpenCloud-Payment", protocol::format_attached_payment("book", as_bytes(payment)));
        }
        return out;
    }

    boost::asio::io_context context_;
    VoucherBook book_;
    Pipeline pipeline_;
    std::vector<Reply> replies_;
};

TEST_F(PipelineTest, AServiceThatChargesPerUnitCommitsPartOfItsHold) {
    run({request("/metered?count", "seven b", "ann/1")});
    ASSERT_EQ(replies_.size(), 1U);
    EXPECT_EQ(replies_[0].status, 200) << replies_[0].body;
    EXPECT_EQ(replies_[0].body, "metered");
    EXPECT_EQ(replies_[0].headers.find("X-Decloud-Receipt"), "/receipts/receipt-1");
    EXPECT_EQ(replies_[0].headers.find("OpenCloud-Status"), "ok");
    EXPECT_EQ(book_.left["ann"], Amount(143));
    EXPECT_EQ(book_.served, 1);
}

TEST_F(PipelineTest, ARepeatGetsTheKeptAnswerAndIsNotChargedAgain) {
    run({request("/metered?count", "abc", "ann/1"), request("/metered?count", "abc", "ann/1")});
    EXPECT_EQ(replies_[1].status, 200);
    EXPECT_EQ(replies_[1].body, "metered");
    EXPECT_EQ(book_.left["ann"], Amount(147));
    EXPECT_EQ(book_.served, 1);
}

TEST_F(PipelineTest, AnAnswerWhosePaymentIsLateIsKeptForTheRepeat) {
    book_.pays_late = true;
    run({request("/metered?count", "abc", "ann/1"), request("/metered?count", "abc", "ann/1")});
    EXPECT_EQ(replies_[0].status, 503);
    EXPECT_NE(replies_[0].body.find("on its way"), std::string::npos) << replies_[0].body;
    EXPECT_EQ(replies_[1].status, 200);
    EXPECT_EQ(replies_[1].body, "metered");
    EXPECT_EQ(replies_[1].headers.find("Book-Page"), "1");
    EXPECT_EQ(book_.served, 1);
}

TEST_F(PipelineTest, EveryAnswerToACallTellsWhatThePaymentMethodSays) {
    run({request("/metered?count", "abc", "ann/1"), request("/metered?count", "abc", "bob/2")});
    EXPECT_EQ(replies_[0].headers.find("Book-Page"), "1");
    EXPECT_EQ(replies_[1].status, 402);
    EXPECT_EQ(replies_[1].headers.find("Book-Required"), "yes");
    const auto body = json::parse(replies_[1].body).value().as_object();
    EXPECT_EQ(body.at("accepts").as_array().at(0).at("resource"), json::Value("/metered?count"));
}

TEST_F(PipelineTest, WithoutPaymentThe402NamesWhatWouldBeTaken) {
    run({request("/metered?count", "abc")});
    EXPECT_EQ(replies_[0].status, 402);
    const auto body = json::parse(replies_[0].body).value().as_object();
    EXPECT_EQ(body.at("acceptable").as_array().at(0).at("method"), json::Value("book"));
    EXPECT_EQ(body.at("acceptable").as_array().at(0).at("currency"), json::Value("test:bytes"));
}

TEST_F(PipelineTest, TooLittleMoneyIsRefusedAndHoldsNothing) {
    book_.left["bob"] = Amount(99);
    run({request("/metered?count", "abc", "bob/1")});
    EXPECT_EQ(replies_[0].status, 402);
    EXPECT_EQ(
        replies_[0].headers.find("OpenCloud-Status"), "request-declined.payment-declined.too-low");
    EXPECT_EQ(book_.left["bob"], Amount(99));
}

TEST_F(PipelineTest, UnknownServiceAndMethodAreToldApart) {
    run({request("/nothing?x", ""), request("/metered?x", "")});
    EXPECT_EQ(replies_[0].headers.find("OpenCloud-Status"), "client-error.service-unsupported");
    EXPECT_EQ(replies_[1].headers.find("OpenCloud-Status"), "client-error.method-unsupported");
}

TEST_F(PipelineTest, ABodyThatIsTooLargeIsRefusedBeforeItIsPaid) {
    run({request("/metered?count", std::string(101, 'x'), "ann/1")});
    EXPECT_EQ(replies_[0].status, 413);
    EXPECT_EQ(book_.left["ann"], Amount(150));
}

TEST_F(PipelineTest, ABodyThatIsNotWhatItsDigestSaysIsRefusedAndNotCharged) {
    auto bad = request("/metered?count", "abc", "ann/1");
    bad.headers.add("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    std::vector<net::http::ClientRequest> requests;
    requests.push_back(std::move(bad));
    run(std::move(requests));
    EXPECT_EQ(replies_[0].status, 400);
    EXPECT_EQ(book_.left["ann"], Amount(150));
}

constexpr const char* kDigestOfNothing = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
constexpr const char* kDigestOfAbc = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";

TEST_F(PipelineTest, ASmallBodyThatIsNotWhatItsDigestSaysDoesNotUseUpItsPayment) {
    book_.binds_body = true;
    std::vector<net::http::ClientRequest> requests;
    requests.push_back(request("/metered?count", "abc", "ann/1"));
    requests.back().headers.add("Content-Digest", kDigestOfNothing);
    requests.push_back(request("/metered?count", "abc", "ann/1"));
    requests.back().headers.add("Content-Digest", kDigestOfAbc);
    run(std::move(requests));
    EXPECT_EQ(replies_[0].status, 400);
    EXPECT_EQ(replies_[1].status, 200);
    EXPECT_EQ(book_.held, 1);
    EXPECT_EQ(book_.left["ann"], Amount(147));
}

TEST_F(PipelineTest, APaymentThatIsNotValidIsRefusedBeforeItsBodyIsRead) {
    book_.binds_body = true;
    bool read = false;
    auto forged = request("/metered?count", "", "forged/1");
    forged.headers.add("Expect", "100-continue");
    forged.body = net::http::BodySource{
        .read = [&read](std::span<std::uint8_t>) -> async::Task<Result<std::size_t>> {
            read = true;
            co_return std::size_t{0};
        },
        .length = 50,
        .trailers = {}};
    std::vector<net::http::ClientRequest> requests;
    requests.push_back(std::move(forged));
    run(std::move(requests));
    EXPECT_EQ(replies_[0].status, 401);
    EXPECT_FALSE(read);
}

TEST_F(PipelineTest, WhoFailsTooOftenIsTurnedAwayAndNobodyElse) {
    book_.binds_body = true;
    pipeline_.add_admission(
        make_failed_attempts_rule({.per_minute = 2}, system_clock(), metrics::null_registry()));
    auto other = request("/metered?count", "abc", "ann/2");
    other.headers.add("Test-Client", "192.0.2.2");
    std::vector<net::http::ClientRequest> requests;
    requests.push_back(request("/metered?count", "abc", "forged/1"));
    requests.push_back(request("/metered?count", "abc", "forged/2"));
    requests.push_back(request("/metered?count", "abc", "ann/1"));
    requests.push_back(std::move(other));
    run(std::move(requests));
    EXPECT_EQ(replies_[1].status, 401);
    EXPECT_EQ(replies_[2].status, 429);
    EXPECT_EQ(replies_[2].headers.find("OpenCloud-Status"), "request-declined");
    EXPECT_TRUE(replies_[2].headers.find("Retry-After"));
    EXPECT_EQ(replies_[3].status, 200);
}

/// A pipeline without room for bodies that nobody has paid for.
class FullPipelineTest : public PipelineTest {
  protected:
    FullPipelineTest() : PipelineTest({.total = 0, .per_client = 0}) {}
};

TEST_F(FullPipelineTest, OnlyBodiesWhoseDigestIsKnownAreStillTaken) {
    book_.binds_body = true;
    std::vector<net::http::ClientRequest> requests;
    requests.push_back(request("/metered?count", "abc", "ann/1"));
    requests.push_back(request("/metered?count", "abc", "ann/2"));
    requests.back().headers.add("Content-Digest", kDigestOfAbc);
    run(std::move(requests));
    EXPECT_EQ(replies_[0].status, 503);
    EXPECT_EQ(replies_[0].headers.find("Retry-After"), "1");
    EXPECT_EQ(replies_[1].status, 200);
    EXPECT_EQ(book_.held, 1);
}

TEST_F(PipelineTest, AnAnswerThatCannotBeChargedIsNotGiven) {
    book_.disk_full = true;
    run({request("/metered?count", "abc", "ann/1")});
    EXPECT_EQ(replies_[0].status, 507);
    EXPECT_EQ(replies_[0].body.find("metered"), std::string::npos);
    EXPECT_EQ(book_.left["ann"], Amount(150));
}

}  // namespace
}  // namespace decloud::pipeline
