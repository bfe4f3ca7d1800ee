#include "priced_service.hpp"

#include "policy_test_support.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/protocol/quote.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

namespace decloud::policy {
namespace {

using protocol::Completion;

/// What a service of one price says that a call cost.
struct Metered {
    Amount price;
    Amount actual;
    bool has_problem = false;
    protocol::UnitCounts units{};
    protocol::UnitThousandths delivered{};
    Amount seen_held{};
};

class MeteredCall final : public protocol::PreparedCall {
  public:
    explicit MeteredCall(Metered& metered) : metered_(metered) {
        terms_.asset = {"eip155:1/erc20:0x01"};
        terms_.max_price = metered.price;
        terms_.units = metered.units;
    }
    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }
    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& /*body*/,
        protocol::Responder& /*responder*/,
        protocol::Charge& charge,
        async::CancellationToken /*gone*/) override {
        metered_.seen_held = charge.held();
        Completion completion = Completion::charged(metered_.actual, metered_.delivered);
        if (metered_.has_problem) {
            completion.problem.emplace();
        }
        co_return completion;
    }

  private:
    Metered& metered_;
    protocol::Terms terms_;
};

class MeteredService final : public protocol::Service {
  public:
    explicit MeteredService(Metered& metered) : metered_(metered) {}
    [[nodiscard]] std::string_view name() const override { return "metered"; }
    [[nodiscard]] async::Task<protocol::Checked<std::unique_ptr<protocol::PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> /*call*/) override {
        co_return std::make_unique<MeteredCall>(metered_);
    }

  private:
    Metered& metered_;
};

/// Holds what the terms ask.
class Held final : public protocol::Charge {
  public:
    explicit Held(Amount amount) : amount_(amount) {}
    [[nodiscard]] std::optional<Address> caller() const override { return std::nullopt; }
    [[nodiscard]] Amount held() const override { return amount_; }
    Result<void> extend(Amount more) override {
        TRY(amount_, amount_.plus(more));
        return {};
    }

  private:
    Amount amount_;
};

class NoBody final : public protocol::RequestBody {
    [[nodiscard]] const Bytes* whole() const override { return nullptr; }
    [[nodiscard]] async::Task<Result<std::size_t>> read(
        std::span<std::uint8_t> /*buffer*/) override {
        co_return std::size_t{0};
    }
};

class NoResponder final : public protocol::Responder {
    Result<void> send(net::http::ResponseHead /*head*/, Bytes /*body*/) override { return {}; }
    [[nodiscard]] async::Task<Result<void>> start(net::http::ResponseHead /*head*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] async::Task<Result<void>> write(BytesView /*bytes*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] bool started() const override { return false; }
};

class PricedServiceTest : public testing::Test {
  protected:
    struct Outcome {
        Amount price;
        Amount charged;
    };

    Outcome call(const std::string& policy, Metered& metered) {
        folder_.write("policy.toml", policy);
        auto keeper = PolicyKeeper::open(folder_.path() / "policy.toml");
        EXPECT_TRUE(keeper);
        const auto service = make_priced_service(std::make_unique<MeteredService>(metered),
            {.usdc = {"eip155:1/erc20:0x01"}, .load = [] { return 50; }}, **keeper, clock_);
        auto call = std::make_shared<protocol::Call>();
        call->service = "metered";
        call->method = "run";
        call->quote = quote_;
        const auto prepared = run(service->prepare(std::move(call)));
        EXPECT_TRUE(prepared);
        Held charge((*prepared)->terms().max_price);
        const Completion completion = run((*prepared)->serve(body_, responder_, charge, {}));
        return {(*prepared)->terms().max_price, completion.actual};
    }
    template <class T>
    static T run(async::Task<T> task) {
        boost::asio::io_context context;
        auto result = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
        context.run();
        return result.get();
    }

    TemporaryFolder folder_;
    ManualClock clock_{UnixSeconds{1'000'000}};
    NoBody body_;
    NoResponder responder_;
    std::shared_ptr<const protocol::Quote> quote_;
};

TEST_F(PricedServiceTest, LeavesTheServicesPriceWherePolicySaysNothing) {
    Metered metered{.price = Amount(1000), .actual = Amount(700)};
    const Outcome outcome = call("[[rule]]\nallow = true", metered);
    EXPECT_EQ(outcome.price, Amount(1000));
    EXPECT_EQ(outcome.charged, Amount(700));
}

TEST_F(PricedServiceTest, RaisesWhatACallCostsToTheLeastPayment) {
    const char* const policy =
        "[[rule]]\nservice = \"metered\"\nmin-payment = { currency = \"USDC\", amount = 1500 }";
    Metered metered{.price = Amount(1000), .actual = Amount(1000)};
    EXPECT_EQ(call(policy, metered).price, Amount(1500));
    EXPECT_EQ(call(policy, metered).charged, Amount(1500));
    EXPECT_EQ(metered.seen_held, Amount(1000));
    metered.actual = Amount(501);
    EXPECT_EQ(call(policy, metered).charged, Amount(752));
    metered.price = metered.actual = Amount(2000);
    EXPECT_EQ(call(policy, metered).charged, Amount(2000));
}

TEST_F(PricedServiceTest, ChargesForAFreeServiceButNotForItsProblems) {
    const char* const policy = "[[rule]]\nmin-payment = { currency = \"USDC\", amount = 5 }";
    Metered metered{.price = Amount(), .actual = Amount()};
    EXPECT_EQ(call(policy, metered).charged, Amount(5));
    metered.has_problem = true;
    EXPECT_EQ(call(policy, metered).charged, Amount());
}

TEST_F(PricedServiceTest, AsksThePolicysPriceInsteadOfTheServices) {
    const char* const policy =
        "[[rule]]\nprice = { currency = \"USDC\", base = 300, when = [ { load-at-least = 51, base "
        "= "
        "900 }, { load-at-least = 50, base = 400 } ] }";
    Metered metered{.price = Amount(1000), .actual = Amount(1000)};
    EXPECT_EQ(call(policy, metered).price, Amount(400));
    EXPECT_EQ(call(policy, metered).charged, Amount(400));
    metered.actual = Amount(500);
    EXPECT_EQ(call(policy, metered).charged, Amount(200));
    EXPECT_EQ(
        call("[[rule]]\nprice = { currency = \"BTC\", base = 3 }", metered).price, Amount(1000));
}

TEST_F(PricedServiceTest, ChargesByTheUnitsThatWereDelivered) {
    const char* const policy =
        "[[rule]]\nprice = { currency = \"USDC\", base = 10, per = { cpu-second = 20, gib-second = "
        "8 } }";
    Metered metered{.price = Amount(1000),
        .actual = Amount(1000),
        .units = {{"call", 1}, {"cpu-second", 15}, {"gib-second", 2}},
        .delivered = {{"call", 1000}, {"cpu-second", 101}, {"gib-second", 1000}}};
    const Outcome outcome = call(policy, metered);
    EXPECT_EQ(outcome.price, Amount(10 + 15 * 20 + 2 * 8)) << "what is held";
    EXPECT_EQ(outcome.charged, Amount(10 + 3 + 8)) << "each part rounded up";
    metered.delivered.clear();
    metered.actual = Amount(500);
    EXPECT_EQ(call(policy, metered).charged, Amount(163)) << "in proportion";
}

TEST_F(PricedServiceTest, LeavesAQuotedPriceAlone) {
    quote_ = std::make_shared<const protocol::Quote>();
    Metered metered{.price = Amount(1000), .actual = Amount(1000)};
    EXPECT_EQ(call("[[rule]]\nprice = { currency = \"USDC\", base = 3000 }", metered).price,
        Amount(1000));
}

}  // namespace
}  // namespace decloud::policy
