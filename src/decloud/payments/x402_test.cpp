#include "escrow_test_support.hpp"
#include "x402_method.hpp"
#include "x402_offer.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/keystore.hpp>

#include <gtest/gtest.h>

namespace decloud::payments {
namespace {

using protocol::Checked;
using protocol::HoldOutcome;
using testing::EscrowBench;
using testing::kAlice;
using testing::kAsset;
using testing::kBob;
using testing::kUsdc;

namespace usdc = contracts::test_usdc;

constexpr std::uint64_t kPrice = 1000;
const Address kPayTo{{0xca, 0xfe}};
const Bytes32 kRequest{{1}};
const Bytes32 kOtherRequest{{2}};

X402Settings shop_settings(const EscrowBench& bench) {
    return {.asset = kAsset,
        .token = bench.contracts.usdc,
        .chain_id = 31337,
        .pay_to = kPayTo,
        .answer_within = chain::testing_support::kLimit,
        .poll = std::chrono::milliseconds(5)};
}

/// A provider that takes x402 payments, on a bench; can be stopped and started.
class Shop {
  public:
    static async::Task<std::unique_ptr<Shop>> start(
        EscrowBench* bench, async::Executor executor, X402Settings settings) {
        auto out = std::unique_ptr<Shop>(new Shop(*bench, executor, std::move(settings)));
        co_await bench->act(bench->provider, bench->contracts.usdc,
            usdc::encode_mint(kAlice, Uint256::from(kUsdc)));
        co_await out->open();
        co_return out;
    }

    async::Task<void> open() {
        bench.clock.set(system_clock().unix_seconds());
        auto& chain = bench.chain();
        settlements = std::make_unique<X402Settlements>(
            X402Context{executor_, bench.ledger(), *chain.client, *chain.head, *chain.sender,
                *bench.records, pool_, bench.clock},
            settings_);
        method = make_x402_method(*settlements);
        group_ = std::make_unique<async::TaskGroup>(executor_);
        EXPECT_TRUE(co_await settlements->start());
        group_->spawn(settlements->run());
        EXPECT_TRUE(co_await bench.mine_until([this] { return settlements->token().has_value(); }));
    }

    /// Calls under way are dropped, as when the node stops.
    async::Task<void> drop_calls() {
        group_->cancel();
        co_await group_->join();
    }

    async::Task<void> close() {
        co_await drop_calls();
        co_await settlements->stop();
        method.reset();
        settlements.reset();
    }

    [[nodiscard]] X402Authorization sign(
        std::uint64_t value = kPrice, std::uint64_t seconds = 300) const {
        X402Authorization out;
        out.from = kAlice;
        out.to = kPayTo;
        out.value = Amount(value);
        out.valid_before = bench.clock.unix_seconds().value + seconds;
        out.nonce = Bytes32{crypto::random_array<32>()};
        out.signature = identity::development_key(1).value().sign(
            authorization_digest(out, settlements->token()->domain));
        return out;
    }

    [[nodiscard]] std::shared_ptr<protocol::Call> call(
        const X402Authorization& fields, const std::string& identifier = {}) const {
        json::Object message{{"x402Version", 2},
            {"accepted",
                json::Object{{"scheme", "exact"}, {"network", "eip155:31337"},
                    {"amount", to_string(fields.value)}, {"asset", to_string(bench.contracts.usdc)},
                    {"payTo", to_string(kPayTo)}}},
            {"payload",
                json::Object{{"signature", to_hex_prefixed(fields.signature.view())},
                    {"authorization",
                        json::Object{{"from", to_string(fields.from)}, {"to", to_string(fields.to)},
                            {"value", to_string(fields.value)},
                            {"validAfter", std::to_string(fields.valid_after)},
                            {"validBefore", std::to_string(fields.valid_before)},
                            {"nonce", to_string(fields.nonce)}}}}}};
        if (!identifier.empty()) {
            message["extensions"] = json::Object{{"payment-identifier",
                json::Object{{"info", json::Object{{"required", false}, {"id", identifier}}}}}};
        }
        auto out = std::make_shared<protocol::Call>();
        out->service = "compute";
        out->method = "call";
        out->payment.type = protocol::PaymentHeader::Type::attached;
        out->payment.method = "x402";
        out->payment.payload = to_bytes(json::to_text(message));
        return out;
    }

    [[nodiscard]] static protocol::Terms terms() {
        protocol::Terms out;
        out.asset = kAsset;
        out.max_price = Amount(kPrice);
        out.subject = "bafyexample";
        return out;
    }

    /// As the pipeline does it, up to the run of the call.
    async::Task<Checked<HoldOutcome>> hold(
        std::shared_ptr<protocol::Call> call, Bytes32 digest = kRequest) {
        protocol::PaymentRequest request;
        request.terms = std::make_shared<const protocol::Terms>(terms());
        request.digest = digest;
        if (!method->handles(*call, *request.terms)) {
            co_return protocol::refuse(500, protocol::Status::server_error, "not handled");
        }
        auto inspected = method->inspect(*call, *request.terms);
        if (!inspected) {
            co_return std::unexpected(inspected.error());
        }
        request.call = std::move(call);
        request.inspected = std::move(*inspected);
        auto outcome = co_await method->hold(std::move(request));
        if (outcome && outcome->hold) {
            EXPECT_TRUE(co_await outcome->hold->ready());
        }
        co_return outcome;
    }

    async::Task<Checked<HoldOutcome>> hold(X402Authorization fields, Bytes32 digest = kRequest) {
        return hold(call(fields), digest);
    }

    /// `served` in the background.
    std::shared_ptr<std::optional<Result<void>>> serve(protocol::PaymentHold* hold) {
        auto out = std::make_shared<std::optional<Result<void>>>();
        group_->spawn([](protocol::PaymentHold* by,
                          std::shared_ptr<std::optional<Result<void>>> into) -> async::Task<void> {
            *into = co_await by->served();
        }(hold, out));
        return out;
    }

    /// Served and charged, while blocks come. The receipt's id.
    async::Task<std::string> finish(protocol::PaymentHold* hold) {
        const auto served = serve(hold);
        EXPECT_TRUE(co_await bench.mine_until([&] { return served->has_value(); }));
        EXPECT_TRUE(served->value_or(fail(CommonError::timeout)));
        co_return hold
            ->commit(Amount(kPrice), {.service = "compute",
                                         .subject = "bafyexample",
                                         .request_digest = kRequest,
                                         .response_digest = {},
                                         .status = 200})
            .value_or("");
    }

    async::Task<Uint128> balance(Address of) {
        const Bytes answer =
            (co_await bench.chain().client->call(bench.contracts.usdc, usdc::encode_balance_of(of)))
                .value();
        co_return usdc::decode_balance_of(answer)->to_uint128().value();
    }

    /// What the ledger has of Alice: spent, held, on the final chain.
    [[nodiscard]] std::array<Uint128, 3> ledger() const {
        const auto view = bench.ledger().payer(x402_account(kAlice));
        if (!view) {
            return {};
        }
        return {
            view->spent.amount.units(), view->held.units(), view->chain.claimed_on_chain.units()};
    }

    /// Alice's money goes elsewhere, ahead of what waits in the pool.
    async::Task<void> drain() {
        const json::Object transfer{{"from", to_string(kAlice)},
            {"to", to_string(bench.contracts.usdc)},
            {"data", to_hex_prefixed(usdc::encode_transfer(kBob, Uint256::from(kUsdc)))},
            {"gas", "0x100000"}, {"maxFeePerGas", "0x174876e800"},
            {"maxPriorityFeePerGas", "0x174876e800"}};
        (void)co_await bench.chain().chain.ask("eth_sendTransaction", {transfer});
    }

    EscrowBench& bench;
    std::unique_ptr<X402Settlements> settlements;
    std::unique_ptr<protocol::PaymentMethod> method;

  private:
    Shop(EscrowBench& bench_in, async::Executor executor, X402Settings settings)
        : bench(bench_in), executor_(std::move(executor)), settings_(std::move(settings)) {}

    async::Executor executor_;
    X402Settings settings_;
    boost::asio::thread_pool pool_{1};
    std::unique_ptr<async::TaskGroup> group_;
};

class X402Test : public testing::EscrowTest {
  protected:
    template <class Body>
    void with_shop(Body body, std::function<void(X402Settings&)> change = {}) {
        run([body = std::move(body), change = std::move(change), executor = io_.get_executor()](
                EscrowBench& bench) -> async::Task<void> {
            X402Settings settings = shop_settings(bench);
            if (change) {
                change(settings);
            }
            const auto shop = co_await Shop::start(&bench, executor, std::move(settings));
            co_await body(*shop);
            co_await shop->close();
        });
    }
};

std::string header(const protocol::HeaderFields& fields, std::string_view name) {
    for (const auto& [key, value] : fields) {
        if (key == name) {
            return as_text(from_base64(value).value_or(Bytes{})).data() == nullptr
                       ? std::string()
                       : std::string(as_text(from_base64(value).value_or(Bytes{})));
        }
    }
    return {};
}

TEST_F(X402Test, AnAnswerWaitsUntilItsTransferIsInABlock) {
    with_shop([](Shop& shop) -> async::Task<void> {
        auto outcome = (co_await shop.hold(shop.sign())).value();
        const auto served = shop.serve(outcome.hold.get());
        EXPECT_TRUE(co_await shop.bench.chain().until_pool(1));
        EXPECT_FALSE(served->has_value());
        EXPECT_EQ(co_await shop.balance(kPayTo), 0U);
        EXPECT_TRUE(co_await shop.bench.mine_until([&] { return served->has_value(); }));
        EXPECT_TRUE(served->value());
        EXPECT_EQ(co_await shop.balance(kPayTo), kPrice);
        const std::string told = header(outcome.hold->answer_headers(), "PAYMENT-RESPONSE");
        EXPECT_NE(told.find("\"success\":true"), std::string::npos) << told;
        const auto receipt = outcome.hold->commit(Amount(kPrice), {});
        EXPECT_TRUE(receipt && !receipt->empty());
        const std::array<Uint128, 3> settled{kPrice, 0, kPrice};
        EXPECT_TRUE(co_await shop.bench.mine_until([&] { return shop.ledger() == settled; }));
        EXPECT_EQ(shop.bench.ledger().exposure()[kAsset].amount, Amount(0));
        EXPECT_TRUE(shop.bench.ledger().unsettled().empty());
    });
}

TEST_F(X402Test, ADuplicateIsSettledAndChargedOnce) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const X402Authorization fields = shop.sign();
        auto first = (co_await shop.hold(fields)).value();
        // While it runs.
        const auto running = co_await shop.hold(fields);
        EXPECT_EQ(running.error().http_status, 503);
        const std::string receipt = co_await shop.finish(first.hold.get());
        EXPECT_FALSE(receipt.empty());
        const auto again = (co_await shop.hold(fields)).value();
        EXPECT_TRUE(again.repeat && again.repeat->same_request);
        EXPECT_EQ(again.repeat->receipt, receipt);
        EXPECT_FALSE(header(again.repeat->headers, "PAYMENT-RESPONSE").empty());
        const auto other = (co_await shop.hold(fields, kOtherRequest)).value();
        EXPECT_TRUE(other.repeat && !other.repeat->same_request);
        EXPECT_EQ(co_await shop.balance(kPayTo), kPrice);
        EXPECT_EQ(shop.ledger()[0], kPrice);
    });
}

TEST_F(X402Test, TheVerifySettleRaceServesNothingForFree) {
    with_shop([](Shop& shop) -> async::Task<void> {
        // Drained after it was verified and before it was sent.
        const X402Authorization fields = shop.sign();
        auto outcome = (co_await shop.hold(fields)).value();
        co_await shop.drain();
        co_await shop.bench.chain().chain.mine();
        EXPECT_FALSE(co_await outcome.hold->served());
        EXPECT_EQ(outcome.hold->refusal()->http_status, 402);
        outcome.hold->release("refused");
        EXPECT_EQ(shop.ledger(), (std::array<Uint128, 3>{}));
        // A repeat is none that the answer, which was made, would be given to.
        EXPECT_EQ((co_await shop.hold(fields)).error().http_status, 409);
        // With no money it is not even run.
        EXPECT_EQ((co_await shop.hold(shop.sign())).error().http_status, 402);
        EXPECT_EQ(co_await shop.balance(kPayTo), 0U);
    });
}

TEST_F(X402Test, ATransferThatFailsOnChainGivesNoAnswerAndNoFresh402) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const X402Authorization fields = shop.sign();
        auto outcome = (co_await shop.hold(fields)).value();
        const auto served = shop.serve(outcome.hold.get());
        EXPECT_TRUE(co_await shop.bench.chain().until_pool(1));
        co_await shop.drain();
        EXPECT_TRUE(co_await shop.bench.mine_until([&] { return served->has_value(); }));
        EXPECT_FALSE(served->value());
        EXPECT_EQ(outcome.hold->refusal()->http_status, 409);
        outcome.hold->release("refused");
        EXPECT_EQ(shop.ledger(), (std::array<Uint128, 3>{}));
        EXPECT_EQ((co_await shop.hold(fields)).error().http_status, 409);
        EXPECT_EQ(co_await shop.balance(kPayTo), 0U);
    });
}

Bytes transfer_by_another(const X402Authorization& fields) {
    return usdc::encode_transfer_with_authorization(fields.from, fields.to,
        Uint256::from(fields.value.units()), Uint256::from(fields.valid_after),
        Uint256::from(fields.valid_before), fields.nonce, fields.signature.view());
}

TEST_F(X402Test, ANonceThatWasUsedElsewhereBuysNothing) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const X402Authorization fields = shop.sign();
        co_await shop.bench.act(kBob, shop.bench.contracts.usdc, transfer_by_another(fields));
        const auto refused = co_await shop.hold(fields);
        EXPECT_EQ(refused.error().http_status, 402);
        EXPECT_NE(refused.error().detail.find("used"), std::string::npos) << refused.error().detail;
        EXPECT_EQ(shop.ledger(), (std::array<Uint128, 3>{}));
    });
}

TEST_F(X402Test, ATransferThatAnotherSentFirstCounts) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const X402Authorization fields = shop.sign();
        auto outcome = (co_await shop.hold(fields)).value();
        co_await shop.bench.act(kBob, shop.bench.contracts.usdc, transfer_by_another(fields));
        EXPECT_FALSE((co_await shop.finish(outcome.hold.get())).empty());
        EXPECT_EQ(co_await shop.balance(kPayTo), kPrice);
        const std::array<Uint128, 3> settled{kPrice, 0, kPrice};
        EXPECT_TRUE(co_await shop.bench.mine_until([&] { return shop.ledger() == settled; }));
    });
}

TEST_F(X402Test, ATimeoutAfterTheBroadcastNeverAsksForAnotherPayment) {
    with_shop(
        [](Shop& shop) -> async::Task<void> {
            const X402Authorization fields = shop.sign();
            auto outcome = (co_await shop.hold(fields)).value();
            EXPECT_FALSE(co_await outcome.hold->served());
            const protocol::Problem problem = outcome.hold->refusal().value();
            EXPECT_EQ(problem.http_status, 503);
            const std::string hash = (co_await shop.bench.chain().pool()).at(0);
            EXPECT_NE(problem.detail.find(hash), std::string::npos) << problem.detail;
            EXPECT_NE(header(problem.headers, "PAYMENT-RESPONSE").find(hash), std::string::npos);
            outcome.hold->release("refused");
            outcome.hold.reset();
            // A repeat finds it on its way, and does not send it again.
            const auto again = co_await shop.hold(fields);
            EXPECT_EQ(again.error().http_status, 503);
            EXPECT_NE(again.error().detail.find(hash), std::string::npos);
            EXPECT_EQ((co_await shop.bench.chain().pool()).size(), 1U);
            const std::array<Uint128, 3> settled{kPrice, 0, kPrice};
            EXPECT_TRUE(co_await shop.bench.mine_until([&] { return shop.ledger() == settled; }));
            // And then its outcome, the answer that was kept.
            const auto found = (co_await shop.hold(fields)).value();
            EXPECT_TRUE(found.repeat && found.repeat->same_request);
            EXPECT_FALSE(found.repeat->receipt.empty());
            EXPECT_EQ(co_await shop.balance(kPayTo), kPrice);
        },
        [](X402Settings& settings) { settings.answer_within = std::chrono::milliseconds(1); });
}

TEST_F(X402Test, WhatWasPaidWhileTheNodeWasDownIsServedOnce) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const X402Authorization fields = shop.sign();
        auto outcome = (co_await shop.hold(fields)).value();
        const auto served = shop.serve(outcome.hold.get());
        EXPECT_TRUE(co_await shop.bench.chain().until_pool(1));
        co_await shop.drop_calls();
        outcome.hold.reset();
        co_await shop.close();
        co_await shop.bench.close();
        co_await shop.bench.open();
        co_await shop.open();
        const std::array<Uint128, 3> settled{kPrice, 0, kPrice};
        EXPECT_TRUE(co_await shop.bench.mine_until([&] { return shop.ledger() == settled; }));
        auto again = (co_await shop.hold(fields)).value();
        EXPECT_TRUE(again.hold != nullptr);
        const std::string receipt = co_await shop.finish(again.hold.get());
        EXPECT_FALSE(receipt.empty());
        const auto repeat = (co_await shop.hold(fields)).value();
        EXPECT_TRUE(repeat.repeat && repeat.repeat->receipt == receipt);
        EXPECT_EQ(shop.ledger(), settled);
        EXPECT_EQ(co_await shop.balance(kPayTo), kPrice);
    });
}

TEST_F(X402Test, APaymentIsOfExactlyThePriceInTimeAndSignedByItsPayer) {
    with_shop([](Shop& shop) -> async::Task<void> {
        X402Authorization forged = shop.sign();
        forged.from = kBob;
        X402Authorization redirected = shop.sign();
        redirected.to = kBob;
        X402Authorization early = shop.sign();
        early.valid_after = early.valid_before;
        for (const X402Authorization& wrong : {forged, redirected, early, shop.sign(kPrice - 1),
                 shop.sign(kPrice + 1), shop.sign(kPrice, 2), shop.sign(kPrice, 86'400)}) {
            EXPECT_EQ((co_await shop.hold(wrong)).error().http_status, 402);
        }
        auto malformed = shop.call(shop.sign());
        malformed->payment.payload.pop_back();
        EXPECT_EQ((co_await shop.hold(malformed)).error().http_status, 400);
        EXPECT_EQ(shop.ledger(), (std::array<Uint128, 3>{}));
    });
}

TEST_F(X402Test, APaymentIdentifierStandsForOnePayment) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const std::string identifier = "order-0123456789abcdef";
        const X402Authorization fields = shop.sign();
        auto first = (co_await shop.hold(shop.call(fields, identifier))).value();
        const std::string receipt = co_await shop.finish(first.hold.get());
        const auto same = (co_await shop.hold(shop.call(fields, identifier))).value();
        EXPECT_TRUE(same.repeat && same.repeat->receipt == receipt && same.repeat->same_request);
        const auto other = co_await shop.hold(shop.call(shop.sign(), identifier));
        EXPECT_EQ(other.error().http_status, 409);
        EXPECT_EQ(co_await shop.balance(kPayTo), kPrice);
    });
}

TEST_F(X402Test, NoPaymentIsAskedForOrTakenBeforeTheChainHasToldOfItsToken) {
    run([executor = io_.get_executor()](EscrowBench& bench) -> async::Task<void> {
        const auto shop = co_await Shop::start(&bench, executor, shop_settings(bench));
        const X402Authorization fields = shop->sign();
        const auto call = shop->call(fields);
        co_await shop->close();
        auto& chain = bench.chain();
        boost::asio::thread_pool pool{1};
        X402Settlements unknowing(X402Context{executor, bench.ledger(), *chain.client, *chain.head,
                                      *chain.sender, *bench.records, pool, bench.clock},
            shop_settings(bench));
        const auto method = make_x402_method(unknowing);
        EXPECT_TRUE(method->handles(*call, Shop::terms()));
        EXPECT_EQ(method->inspect(*call, Shop::terms()).error().http_status, 503);
        EXPECT_TRUE(method->acceptable(Shop::terms()).empty());
        protocol::Problem problem;
        method->describe(*call, Shop::terms(), problem);
        EXPECT_TRUE(problem.headers.empty() && problem.accepts.empty());
        co_await unknowing.stop();
    });
}

TEST_F(X402Test, ACallThatFailsAtTheProviderTakesNoMoney) {
    with_shop([](Shop& shop) -> async::Task<void> {
        const X402Authorization fields = shop.sign();
        auto outcome = (co_await shop.hold(fields)).value();
        outcome.hold->release("the sandbox failed");
        EXPECT_EQ(shop.ledger(), (std::array<Uint128, 3>{}));
        // The authorisation stays used up here, and nothing of it is on the chain.
        EXPECT_EQ((co_await shop.hold(fields)).error().http_status, 409);
        EXPECT_EQ(co_await shop.balance(kPayTo), 0U);
    });
}

TEST_F(X402Test, WhatIsSentAndNotSettledIsBoundedPerPayer) {
    with_shop(
        [](Shop& shop) -> async::Task<void> {
            auto first = (co_await shop.hold(shop.sign())).value();
            EXPECT_TRUE(co_await first.hold->served());
            EXPECT_TRUE(first.hold->commit(Amount(kPrice), {}));
            EXPECT_EQ((co_await shop.bench.chain().pool()).size(), 1U);
            auto second = (co_await shop.hold(shop.sign())).value();
            const auto served = shop.serve(second.hold.get());
            EXPECT_TRUE(co_await shop.bench.chain().until_pool(2));
            EXPECT_FALSE(served->has_value());
            EXPECT_TRUE(co_await shop.bench.mine_until([&] { return served->has_value(); }));
            EXPECT_TRUE(served->value());
            EXPECT_TRUE(second.hold->commit(Amount(kPrice), {}));
            const std::array<Uint128, 3> settled{2 * kPrice, 0, 2 * kPrice};
            EXPECT_TRUE(co_await shop.bench.mine_until([&] { return shop.ledger() == settled; }));
        },
        [](X402Settings& settings) {
            settings.mode = X402Mode::sent;
            settings.max_unsettled = Amount(kPrice);
        });
}

TEST_F(X402Test, A402sHeaderStaysBelowTwoKilobytes) {
    with_shop([](Shop& shop) -> async::Task<void> {
        protocol::Call call;
        call.service = "compute";
        call.method = "call";
        for (const std::size_t length : {10U, 1000U, 8000U}) {
            call.head.target = "/bafyexample/path?" + std::string(length, 'q');
            protocol::Problem problem;
            problem.detail = "this call costs 1000";
            shop.method->describe(call, Shop::terms(), problem);
            EXPECT_EQ(problem.headers.at(0).first, "PAYMENT-REQUIRED");
            EXPECT_LE(problem.headers.at(0).second.size(), kX402HeaderGoal);
            const std::string told = header(problem.headers, "PAYMENT-REQUIRED");
            EXPECT_NE(told.find("\"network\":\"eip155:31337\""), std::string::npos) << told;
            // The development chain has no name in v1.
            EXPECT_TRUE(problem.accepts.empty());
        }
        co_return;
    });
}

}  // namespace
}  // namespace decloud::payments
