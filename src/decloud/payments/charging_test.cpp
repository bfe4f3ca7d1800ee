#include "authorization_method.hpp"
#include "owner_charging.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/signed_structs.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

namespace decloud::payments {
namespace {

const AssetId kUsdc{"eip155:31337/erc20:0x1"};
constexpr Amount kPrice(1000);

/// Channels as the test says; the chain is not asked.
class FixedChannels final : public ChannelDirectory {
  public:
    [[nodiscard]] async::Task<Result<PayerMoney>> find(Address payer) override {
        co_return money[payer];
    }
    [[nodiscard]] std::optional<PayerMoney> find_known(const Address& payer) const override {
        const auto found = money.find(payer);
        return found == money.end() ? std::nullopt : std::optional(found->second);
    }
    [[nodiscard]] async::Task<Result<void>> find_channel(Bytes32 /*id*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] async::Task<Result<void>> refresh(Address /*payer*/) override {
        co_return Result<void>{};
    }
    [[nodiscard]] std::optional<std::string> suspended() const override { return reason; }

    std::map<Address, PayerMoney> money;
    std::optional<std::string> reason;
};

class ChargingTest : public ::testing::Test {
  public:
    ChargingTest() : provider_(crypto::Secp256k1PrivateKey::generate().address()) { open(); }

    ~ChargingTest() override { close(); }

    void open() {
        engine_ = make_sqlite_state_engine(folder_.path() / "slices.sqlite", pool_).value();
        LedgerSettings settings;
        settings.directory = folder_.path() / "ledger";
        ledger_ = Ledger::open(settings, context_.get_executor(), *engine_, clock_).value();
        charging_ = std::make_unique<EscrowCharging>(
            EscrowCharging{*ledger_, channels_, clock_, kUsdc, provider_, "alice.decloud"});
        owner_method_ = make_owner_method(*charging_);
        authorization_method_ = make_authorization_method(*charging_, domain_);
    }

    void close() {
        run([](ChargingTest& test) -> async::Task<void> {
            const auto closed = co_await test.ledger_->close();
            EXPECT_TRUE(closed);
        });
        ledger_.reset();
        engine_.reset();
    }

    void run(async::Task<void> (*body)(ChargingTest&)) {
        async::TaskGroup group(context_.get_executor());
        group.spawn(body(*this));
        // The ledger keeps tasks of its own running.
        context_.restart();
        while (group.size() > 0) {
            context_.run_one();
        }
    }

    void open_channel(const Address& payer, Amount reserved, Amount price = kPrice) {
        const Bytes32 id{crypto::random_array<32>()};
        ChannelState state;
        state.asset = kUsdc;
        state.owner = to_string(payer);
        state.reserved = reserved;
        state.price = price;
        EXPECT_TRUE(ledger_->record_chain(channel_account(id), state));
        channels_.money[payer].channel = PayerMoney::Channel{channel_account(id), id, price};
    }

    [[nodiscard]] protocol::Terms terms(const Address& owner) const {
        protocol::Terms out;
        out.asset = kUsdc;
        out.max_price = kPrice;
        out.subject = "bafyexample";
        out.sponsor = protocol::Sponsor{.owner = owner,
            .terms = std::make_shared<const protocol::OwnerPays>(owner_pays_),
            .max_price = kPrice};
        return out;
    }

    static std::shared_ptr<protocol::Call> call_from(std::string client) {
        auto call = std::make_shared<protocol::Call>();
        call->client = std::move(client);
        return call;
    }

    /// Calls and, if it was held, commits. The HTTP status of a refusal, 200 if charged, 208 if a
    /// repeat.
    async::Task<int> pay(protocol::PaymentMethod& method,
        std::shared_ptr<protocol::Call> call,
        protocol::Terms terms,
        std::optional<Bytes32> digest = std::nullopt) {
        protocol::PaymentRequest request;
        request.call = std::move(call);
        request.terms = std::make_shared<const protocol::Terms>(std::move(terms));
        request.digest = digest;
        auto outcome = co_await method.hold(std::move(request));
        if (!outcome) {
            last_problem_ = outcome.error();
            co_return outcome.error().http_status;
        }
        if (outcome->repeat) {
            last_repeat_ = *outcome->repeat;
            co_return 208;
        }
        EXPECT_TRUE(co_await outcome->hold->ready());
        EXPECT_TRUE(co_await outcome->hold->served());
        EXPECT_TRUE(outcome->hold->commit(kPrice, {}));
        co_return 200;
    }

    std::shared_ptr<protocol::Call> authorized_call(const crypto::Secp256k1PrivateKey& payer,
        const Bytes32& digest,
        Uint128 max_price,
        std::uint8_t nonce = 1) {
        identity::CallAuthorization fields;
        fields.payer = payer.address();
        fields.provider = provider_;
        fields.request_digest = digest;
        fields.max_price = max_price;
        fields.nonce.bytes.fill(nonce);
        fields.valid_before = clock_.unix_seconds().value + 300;
        return attach(identity::sign(fields, domain_, payer).value());
    }

    static std::shared_ptr<protocol::Call> attach(
        const identity::Signed<identity::CallAuthorization>& statement) {
        auto call = call_from("192.0.2.1");
        call->payment.type = protocol::PaymentHeader::Type::attached;
        call->payment.method = "authorization";
        call->payment.payload = to_bytes(json::canonical(identity::to_json(statement)).value());
        return call;
    }

    boost::asio::io_context context_;
    boost::asio::thread_pool pool_{1};
    ManualClock clock_{{1'790'000'000}};
    TemporaryFolder folder_;
    Address provider_;
    identity::Domain domain_{.chain_id = 31337, .escrow = {}};
    FixedChannels channels_;
    protocol::OwnerPays owner_pays_;
    std::unique_ptr<StateEngine> engine_;
    std::unique_ptr<Ledger> ledger_;
    std::unique_ptr<EscrowCharging> charging_;
    std::unique_ptr<protocol::PaymentMethod> owner_method_;
    std::unique_ptr<protocol::PaymentMethod> authorization_method_;
    protocol::Problem last_problem_;
    protocol::Repeat last_repeat_;
    crypto::Secp256k1PrivateKey owner_ = crypto::Secp256k1PrivateKey::generate();
    crypto::Secp256k1PrivateKey stranger_ = crypto::Secp256k1PrivateKey::generate();
    Bytes32 digest_{crypto::random_array<32>()};
};

TEST_F(ChargingTest, StrangersSpendExactlyTheCapOfTheOwnersMoney) {
    owner_pays_.per_day = 7;
    open_channel(owner_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        int charged = 0;
        for (int i = 0; i < 50; ++i) {
            const int status = co_await test.pay(*test.owner_method_,
                call_from("192.0.2." + std::to_string(i)), test.terms(test.owner_.address()));
            charged += status == 200 ? 1 : 0;
        }
        EXPECT_EQ(charged, 7);
        EXPECT_EQ(test.last_problem_.http_status, 402);
        test.clock_.advance(std::chrono::hours(24));
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("192.0.2.1"),
                      test.terms(test.owner_.address())),
            200);
    });
    EXPECT_EQ(
        ledger_->spent(channels_.money[owner_.address()].channel->account).amount, Amount(8000));
}

TEST_F(ChargingTest, PerCallerCapsCountEachCallerApart) {
    owner_pays_.per_caller = 2;
    open_channel(owner_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        for (const int expected : {200, 200, 402}) {
            EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("192.0.2.1"),
                          test.terms(test.owner_.address())),
                expected);
        }
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("192.0.2.2"),
                      test.terms(test.owner_.address())),
            200);
    });
}

TEST_F(ChargingTest, RefusalsSayWhatIsNeeded) {
    run([](ChargingTest& test) -> async::Task<void> {
        const auto terms = test.terms(test.owner_.address());
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("a"), terms), 402);
        EXPECT_NE(
            test.last_problem_.help.find("decloud escrow approve alice.decloud --price 0.001"),
            std::string::npos);
        test.open_channel(test.owner_.address(), Amount(1'000'000), Amount(999));
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("a"), terms), 402);
        EXPECT_EQ(test.last_problem_.status, protocol::Status::payment_too_low);
        EXPECT_NE(test.last_problem_.help.find("decloud escrow approve"), std::string::npos);
        auto dear = terms;
        dear.sponsor->max_price = Amount(999);
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("a"), dear), 402);
        EXPECT_NE(
            test.last_problem_.help.find("price = \"0.001\" in decloud.toml"), std::string::npos);
        test.open_channel(test.owner_.address(), Amount(1500));
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("a"), terms), 200);
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("a"), terms), 402);
        EXPECT_NE(test.last_problem_.detail.find("used up"), std::string::npos);
        EXPECT_FALSE(test.last_problem_.acceptable.empty());
        test.channels_.reason = "the chain is silent";
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("a"), terms), 503);
    });
}

TEST_F(ChargingTest, ATrialIsSpentBeforeMoney) {
    open_channel(owner_.address(), Amount(1'000'000));
    const PayerAccount trial = trial_account(provider_, owner_.address());
    ChannelState state;
    state.asset = {std::string(kTrialAsset)};
    state.owner = to_string(owner_.address());
    state.reserved = Amount(2);
    state.price = Amount(1);
    ASSERT_TRUE(ledger_->record_chain(trial, state));
    channels_.money[owner_.address()].trial = trial;
    run([](ChargingTest& test) -> async::Task<void> {
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(co_await test.pay(
                          *test.owner_method_, call_from("a"), test.terms(test.owner_.address())),
                200);
        }
    });
    EXPECT_EQ(ledger_->spent(trial).calls, 2U);
    EXPECT_EQ(ledger_->spent(channels_.money[owner_.address()].channel->account).calls, 1U);
}

TEST_F(ChargingTest, WhatTheProviderGivesIsSpentBeforeMoneyAndARepeatIsARepeat) {
    open_channel(stranger_.address(), Amount(1'000'000));
    AutomaticTrials trials(*ledger_, clock_, provider_,
        {.calls_per_identity = 1, .calls_per_day = 10, .listed = {stranger_.address()}});
    charging_->trials = &trials;
    run([](ChargingTest& test) -> async::Task<void> {
        const auto terms = test.terms(test.owner_.address());
        auto& method = *test.authorization_method_;
        const auto call = test.authorized_call(test.stranger_, test.digest_, 1000);
        EXPECT_EQ(co_await test.pay(method, call, terms, test.digest_), 200);
        EXPECT_EQ(co_await test.pay(method, call, terms, test.digest_), 208);
        EXPECT_EQ(
            co_await test.pay(method, test.authorized_call(test.stranger_, test.digest_, 1000, 2),
                terms, test.digest_),
            200);
        const auto other = crypto::Secp256k1PrivateKey::generate();
        EXPECT_EQ(co_await test.pay(
                      method, test.authorized_call(other, test.digest_, 1000), terms, test.digest_),
            402);
    });
    EXPECT_EQ(ledger_->spent(gift_account(provider_, stranger_.address())).calls, 1U);
    EXPECT_EQ(ledger_->spent(channels_.money[stranger_.address()].channel->account).calls, 1U);
}

TEST_F(ChargingTest, AnAuthorizationPaysOnceForItsRequestOnly) {
    open_channel(stranger_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        const auto terms = test.terms(test.owner_.address());
        auto& method = *test.authorization_method_;
        const auto call = test.authorized_call(test.stranger_, test.digest_, 1000);
        EXPECT_EQ(co_await test.pay(method, call, terms, test.digest_), 200);
        EXPECT_EQ(co_await test.pay(method, call, terms, test.digest_), 208);
        EXPECT_TRUE(test.last_repeat_.same_request);
        EXPECT_FALSE(test.last_repeat_.receipt.empty());
        Bytes32 other = test.digest_;
        other.bytes[0] ^= 1;
        EXPECT_EQ(co_await test.pay(method, call, terms, other), 401);
        EXPECT_EQ(
            co_await test.pay(method, test.authorized_call(test.stranger_, test.digest_, 999, 2),
                terms, test.digest_),
            402);
    });
    EXPECT_EQ(ledger_->spent(channels_.money[stranger_.address()].channel->account).calls, 1U);
}

TEST_F(ChargingTest, AUsedAuthorizationStaysUsedAfterARestart) {
    open_channel(stranger_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        EXPECT_EQ(co_await test.pay(*test.authorization_method_,
                      test.authorized_call(test.stranger_, test.digest_, 1000),
                      test.terms(test.owner_.address()), test.digest_),
            200);
    });
    close();
    open();
    run([](ChargingTest& test) -> async::Task<void> {
        EXPECT_EQ(co_await test.pay(*test.authorization_method_,
                      test.authorized_call(test.stranger_, test.digest_, 1000),
                      test.terms(test.owner_.address()), test.digest_),
            208);
    });
}

TEST_F(ChargingTest, WrongSignerProviderAndTimesAreRefused) {
    open_channel(stranger_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        const auto terms = test.terms(test.owner_.address());
        auto& method = *test.authorization_method_;
        identity::CallAuthorization fields;
        fields.payer = test.stranger_.address();
        fields.provider = test.provider_;
        fields.request_digest = test.digest_;
        fields.max_price = 1000;
        fields.valid_before = test.clock_.unix_seconds().value + 300;

        auto forged = identity::sign(fields, test.domain_, test.stranger_).value();
        forged.fields.payer = test.owner_.address();
        EXPECT_EQ(co_await test.pay(method, attach(forged), terms, test.digest_), 401);

        auto elsewhere = fields;
        elsewhere.provider = test.owner_.address();
        EXPECT_EQ(co_await test.pay(method,
                      attach(identity::sign(elsewhere, test.domain_, test.stranger_).value()),
                      terms, test.digest_),
            401);
        auto late = fields;
        late.valid_before = test.clock_.unix_seconds().value;
        EXPECT_EQ(co_await test.pay(method,
                      attach(identity::sign(late, test.domain_, test.stranger_).value()), terms,
                      test.digest_),
            401);
        auto far = fields;
        far.valid_before = test.clock_.unix_seconds().value + 601;
        EXPECT_EQ(co_await test.pay(method,
                      attach(identity::sign(far, test.domain_, test.stranger_).value()), terms,
                      test.digest_),
            401);
    });
    EXPECT_EQ(ledger_->spent(channels_.money[stranger_.address()].channel->account).calls, 0U);
}

TEST_F(ChargingTest, AListedCallerProvesItselfAndTheOwnerPays) {
    owner_pays_.callers = protocol::OwnerPays::Callers::list;
    owner_pays_.listed = {to_string(stranger_.address())};
    open_channel(owner_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        const auto terms = test.terms(test.owner_.address());
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("192.0.2.1"), terms), 402);
        EXPECT_EQ(co_await test.pay(*test.authorization_method_,
                      test.authorized_call(test.stranger_, test.digest_, 0), terms, test.digest_),
            200);
        const auto other = crypto::Secp256k1PrivateKey::generate();
        EXPECT_EQ(co_await test.pay(*test.authorization_method_,
                      test.authorized_call(other, test.digest_, 0), terms, test.digest_),
            402);
    });
    EXPECT_EQ(ledger_->spent(channels_.money[owner_.address()].channel->account).calls, 1U);
}

/// A call that these have signed.
std::shared_ptr<protocol::Call> signed_by(std::vector<protocol::Credential> credentials) {
    auto call = std::make_shared<protocol::Call>();
    call->client = "192.0.2.1";
    call->credentials = std::move(credentials);
    return call;
}

TEST_F(ChargingTest, AnyListedIdAmongThoseThatSignIsServedAndCountedAsItself) {
    owner_pays_.callers = protocol::OwnerPays::Callers::list;
    owner_pays_.listed = {"did:key:zListed", to_string(stranger_.address())};
    owner_pays_.per_caller = 2;
    open_channel(owner_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        const auto terms = test.terms(test.owner_.address());
        const auto ask = [&](std::vector<protocol::Credential> credentials) {
            return test.pay(*test.owner_method_, signed_by(std::move(credentials)), terms);
        };
        EXPECT_EQ(co_await ask({{"opencloud", "did:key:zOther"}}), 402);
        EXPECT_EQ(co_await ask({{"opencloud", "did:key:zListed"}}), 200);
        EXPECT_EQ(
            co_await ask({{"opencloud", "did:key:zNew"}, {"opencloud", "did:key:zListed"}}), 200);
        // Another key beside it gives no further calls.
        EXPECT_EQ(
            co_await ask({{"opencloud", "did:key:zNewer"}, {"opencloud", "did:key:zListed"}}), 402);
        const protocol::Credential account{"ethereum", to_string(test.stranger_.address())};
        EXPECT_EQ(co_await ask({{"opencloud", "did:key:zA"}, account}), 200);
        EXPECT_EQ(co_await ask({{"opencloud", "did:key:zB"}, account}), 200);
        EXPECT_EQ(co_await ask({{"opencloud", "did:key:zC"}, account}), 402);
    });
}

/// What a stream of at most `most` intervals pays by such a request, the last one included.
async::Task<Amount> stream(ChargingTest& test,
    protocol::PaymentMethod& method,
    std::shared_ptr<protocol::Call> call,
    int most) {
    auto outcome = co_await method.hold({.call = std::move(call),
        .terms = std::make_shared<const protocol::Terms>(test.terms(test.owner_.address())),
        .digest = test.digest_,
        .inspected = {}});
    EXPECT_TRUE(outcome);
    protocol::PaymentHold& hold = *outcome->hold;
    EXPECT_TRUE(co_await hold.ready());
    EXPECT_TRUE(co_await hold.served());
    const Amount price = hold.held();
    Amount paid;
    for (int number = 1; number < most && co_await hold.hold_interval(price); ++number) {
        EXPECT_EQ(hold.held(), price.plus(price).value());
        EXPECT_TRUE(hold.commit_interval(price, {}));
        EXPECT_EQ(hold.held(), price);
        paid = paid.plus(price).value();
    }
    EXPECT_TRUE(hold.commit(price, {}));
    co_return paid.plus(price).value();
}

TEST_F(ChargingTest, AStreamGoesOnAsLongAsItsOwnersMoney) {
    open_channel(owner_.address(), Amount(3500));
    run([](ChargingTest& test) -> async::Task<void> {
        EXPECT_EQ(
            co_await stream(test, *test.owner_method_, call_from("192.0.2.1"), 100), Amount(3000));
    });
    EXPECT_EQ(
        ledger_->spent(channels_.money[owner_.address()].channel->account).amount, Amount(3000));
}

TEST_F(ChargingTest, IntervalsAreWithinTheOwnersCapsOnCalls) {
    owner_pays_.per_day = 5;
    open_channel(owner_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        EXPECT_EQ(
            co_await stream(test, *test.owner_method_, call_from("192.0.2.1"), 2), Amount(2000));
        EXPECT_EQ(
            co_await stream(test, *test.owner_method_, call_from("192.0.2.1"), 100), Amount(3000));
        EXPECT_EQ(co_await test.pay(*test.owner_method_, call_from("192.0.2.1"),
                      test.terms(test.owner_.address())),
            402);
    });
}

TEST_F(ChargingTest, AnAuthorizationPaysForAsManyIntervalsAsItIsOver) {
    open_channel(stranger_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        EXPECT_EQ(co_await stream(test, *test.authorization_method_,
                      test.authorized_call(test.stranger_, test.digest_, 3999, 1), 100),
            Amount(3000));
        EXPECT_EQ(co_await stream(test, *test.authorization_method_,
                      test.authorized_call(test.stranger_, test.digest_, 1000, 2), 100),
            Amount(1000));
    });
}

TEST_F(ChargingTest, ATrialPaysForIntervalsWithItsCalls) {
    const PayerAccount trial = trial_account(provider_, owner_.address());
    ChannelState state;
    state.asset = AssetId{std::string(kTrialAsset)};
    state.owner = to_string(owner_.address());
    state.reserved = Amount(4);
    EXPECT_TRUE(ledger_->record_chain(trial, state));
    channels_.money[owner_.address()].trial = trial;
    run([](ChargingTest& test) -> async::Task<void> {
        EXPECT_EQ(
            co_await stream(test, *test.owner_method_, call_from("192.0.2.1"), 100), Amount(4000))
            << "of which nothing is charged";
    });
    EXPECT_EQ(ledger_->spent(trial).amount, Amount(4));
}

TEST_F(ChargingTest, NoIntervalBeginsWhileTheChainIsSilent) {
    open_channel(owner_.address(), Amount(1'000'000));
    run([](ChargingTest& test) -> async::Task<void> {
        protocol::PaymentRequest request;
        request.call = call_from("192.0.2.1");
        request.terms = std::make_shared<const protocol::Terms>(test.terms(test.owner_.address()));
        auto outcome = co_await test.owner_method_->hold(std::move(request));
        test.channels_.reason = "no block for an hour";
        EXPECT_EQ((co_await outcome->hold->hold_interval(kPrice)).error(),
            make_error_code(CommonError::unavailable));
        EXPECT_EQ(outcome->hold->held(), kPrice);
    });
}

}  // namespace
}  // namespace decloud::payments
