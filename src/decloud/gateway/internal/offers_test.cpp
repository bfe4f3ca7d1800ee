#include "offers.hpp"

#include "../gateway_test_support.hpp"

#include <decloud/async/timeout.hpp>

#include <gtest/gtest.h>

#include <set>

namespace decloud::gateway::internal {
namespace {

using namespace std::chrono_literals;
using testing_support::run_loop;

/// Providers that say whether they run something, and those who never answer.
class World {
  public:
    explicit World(async::Executor executor) : executor_(std::move(executor)) {}

    void add(const std::string& label, const std::string& says) {
        auto list = std::make_shared<std::vector<registry::Provider>>(*listed);
        auto name = identity::ProviderName::parse(label).value();
        list->push_back({.name = name,
            .address = Address{{static_cast<std::uint8_t>(list->size() + 1)}},
            .url = net::parse_url("http://" + label + ".example").value(),
            .rsa_key = std::nullopt});
        listed = std::move(list);
        says_[name.full()] = says;
    }
    void say(const std::string& label, const std::string& what) {
        says_[label + ".decloud"] = what;
    }
    Offers::Providers providers() {
        return [this] { return listed; };
    }
    Offers::Ask ask() {
        return [this](registry::Provider provider, net::http::ClientRequest request) {
            return answer(std::move(provider), std::move(request));
        };
    }

    std::shared_ptr<const std::vector<registry::Provider>> listed =
        std::make_shared<std::vector<registry::Provider>>();
    std::size_t questions = 0;

  private:
    async::Task<Result<net::http::ClientResponse>> answer(
        registry::Provider provider, net::http::ClientRequest request) {
        ++questions;
        EXPECT_EQ(request.method, "POST");
        EXPECT_TRUE(request.target.starts_with("/oc/v1/compute/describe?arg=cid"));
        const std::string what = says_.at(provider.name.full());
        if (what == "nothing") {
            co_await async::delay(1h);
        }
        if (!server_) {
            server_ = std::make_unique<net::testing::TestServer>(
                executor_, [](net::http::Exchange exchange) -> async::Task<void> {
                    const std::string text(exchange.request().headers.find("Says").value_or(""));
                    (void)co_await exchange.send(
                        {text == "503" ? 503 : 200, {}, {}}, std::string(text));
                });
            client_ = std::make_unique<net::http::Client>(
                executor_, net::http::ClientSettings{}, testing_support::loopback_policy());
        }
        request.headers.add("Says", what);
        co_return co_await client_->request(
            net::parse_url(server_->url()).value(), std::move(request));
    }

  public:
    async::Task<void> stop() {
        if (client_) {
            co_await client_->stop();
            co_await server_->stop();
        }
    }

  private:
    async::Executor executor_;
    std::map<std::string, std::string> says_;
    std::unique_ptr<net::testing::TestServer> server_;
    std::unique_ptr<net::http::Client> client_;
};

const std::string kYes = R"({"runs":true,"price":"1000"})";
const std::string kNo = R"({"runs":false})";

async::Task<std::set<std::string>> names(Offers* offers, std::string cid) {
    std::set<std::string> out;
    const auto found = co_await offers->find(cid);
    EXPECT_TRUE(found);
    for (const Offer& offer : found.value_or(std::vector<Offer>{})) {
        out.insert(offer.provider->name.short_form());
        EXPECT_EQ(offer.price, 1000U);
    }
    co_return out;
}

using Names = std::set<std::string>;

TEST(Offers, AreOfThoseWhoSayThatTheyRunIt) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        world.add("alice", kYes);
        world.add("bob", kNo);
        world.add("carol", kYes);
        world.add("mallory", "{\"runs\":true,\"price\":-1}");
        world.add("trent", "503");
        Offers offers(executor, world.providers(), world.ask(), {.grace = 20s});
        EXPECT_EQ(co_await names(&offers, "cid"), (Names{"alice", "carol"}));
        const std::size_t before = world.questions;
        EXPECT_EQ(co_await names(&offers, "cid"), (Names{"alice", "carol"}));
        EXPECT_EQ(world.questions, before) << "what is fresh is not asked for again";
        offers.forget("cid", "alice.decloud");
        EXPECT_EQ(co_await names(&offers, "cid"), (Names{"carol"}));
        co_await offers.stop();
        co_await world.stop();
    });
}

TEST(Offers, DoNotWaitForThoseWhoNeverAnswer) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        world.add("alice", kYes);
        world.add("frozen", "nothing");
        Offers offers(executor, world.providers(), world.ask(),
            {.ask_timeout = 1h, .grace = std::chrono::milliseconds(1)});
        EXPECT_EQ(co_await names(&offers, "cid"), (Names{"alice"}));
        co_await offers.stop();
        co_await world.stop();
    });
}

TEST(Offers, AreAskedForAgainBesideTheCalls) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        world.add("alice", kYes);
        world.add("bob", kNo);
        Offers offers(
            executor, world.providers(), world.ask(), {.fresh = 0s, .nobody = 0s, .grace = 20s});
        EXPECT_EQ(co_await names(&offers, "cid"), (Names{"alice"}));
        world.say("bob", kYes);
        world.say("alice", kNo);
        while (co_await names(&offers, "cid") != Names{"bob"}) {
            co_await async::delay(1ms);
        }
        world.say("bob", kNo);
        while (!(co_await names(&offers, "cid")).empty()) {
            co_await async::delay(1ms);
        }
        world.say("alice", kYes);
        while (co_await names(&offers, "cid") != Names{"alice"}) {
            co_await async::delay(1ms);
        }
        co_await offers.stop();
        co_await world.stop();
    });
}

TEST(Offers, AreNotDrivenOutByWhatNobodyRuns) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        world.add("alice", kYes);
        Offers offers(executor, world.providers(), world.ask(),
            {.max_cids = 2, .max_rounds = 1, .fresh = 1h, .nobody = 1h});
        EXPECT_EQ(co_await names(&offers, "cid1"), (Names{"alice"}));
        world.say("alice", kNo);
        for (const std::string cid : {"cid2", "cid3", "cid4"}) {
            EXPECT_EQ(co_await names(&offers, cid), Names{});
        }
        const std::size_t before = world.questions;
        EXPECT_EQ(co_await names(&offers, "cid1"), (Names{"alice"}));
        EXPECT_EQ(co_await names(&offers, "cid4"), Names{});
        EXPECT_EQ(world.questions, before) << "both are remembered";
        EXPECT_EQ(co_await names(&offers, "cid2"), Names{});
        EXPECT_EQ(world.questions, before + 1) << "what nobody runs is bounded, too";
        co_await offers.stop();
        co_await world.stop();
    });
}

TEST(Offers, AreNotForgottenForWhatCannotBeAskedNow) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        world.add("alice", "nothing");
        Offers offers(executor, world.providers(), world.ask(),
            {.max_cids = 1, .max_rounds = 1, .ask_timeout = 1h, .find_timeout = 1h});
        async::TaskGroup waiting(executor);
        waiting.spawn(
            [](Offers* of) -> async::Task<void> { (void)co_await of->find("cid1"); }(&offers));
        while (world.questions == 0) {
            co_await async::delay(1ms);
        }
        EXPECT_EQ(
            (co_await offers.find("cid2")).error(), make_error_code(CommonError::limit_exceeded));
        world.say("alice", kYes);
        EXPECT_EQ(
            (co_await offers.find("cid2")).error(), make_error_code(CommonError::limit_exceeded));
        EXPECT_EQ(world.questions, 1U);
        co_await offers.stop();
        co_await waiting.join();
        co_await world.stop();
    });
}

TEST(Offers, AreWaitedForOnlySoLong) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        world.add("frozen", "nothing");
        Offers offers(
            executor, world.providers(), world.ask(), {.ask_timeout = 1h, .find_timeout = 1ms});
        EXPECT_EQ((co_await offers.find("cid")).error(), make_error_code(CommonError::unavailable));
        co_await offers.stop();
        co_await world.stop();
    });
}

TEST(Offers, AreBounded) {
    run_loop([](async::Executor executor) -> async::Task<void> {
        World world(executor);
        Offers offers(executor, world.providers(), world.ask(),
            {.max_cids = 2, .max_rounds = 1, .ask_timeout = 1h});
        EXPECT_EQ((co_await offers.find("cid")).error(), make_error_code(CommonError::unavailable));
        world.add("alice", kYes);
        EXPECT_EQ(co_await names(&offers, "cid1"), (Names{"alice"}));
        EXPECT_EQ(co_await names(&offers, "cid2"), (Names{"alice"}));
        EXPECT_EQ(co_await names(&offers, "cid3"), (Names{"alice"}));
        const std::size_t before = world.questions;
        EXPECT_EQ(co_await names(&offers, "cid2"), (Names{"alice"}));
        EXPECT_EQ(world.questions, before);
        EXPECT_EQ(co_await names(&offers, "cid1"), (Names{"alice"}));
        EXPECT_EQ(world.questions, before + 1) << "the longest unused was forgotten";
        world.say("alice", "nothing");
        async::TaskGroup waiting(executor);
        waiting.spawn([](Offers* of) -> async::Task<void> {
            EXPECT_TRUE((co_await of->find("cid4")).value().empty());
        }(&offers));
        while (world.questions == before + 1) {
            co_await async::delay(1ms);
        }
        EXPECT_EQ(
            (co_await offers.find("cid5")).error(), make_error_code(CommonError::limit_exceeded));
        co_await offers.stop();
        co_await waiting.join();
        co_await world.stop();
    });
}

}  // namespace
}  // namespace decloud::gateway::internal
