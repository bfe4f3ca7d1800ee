#include "transaction_sender.hpp"

#include "sender_test_support.hpp"

#include <decloud/contracts/test_usdc.hpp>
#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>

namespace decloud::chain {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;

TransactionRequest transfer(std::string intent, Uint128 wei = 1000) {
    return {.intent = std::move(intent), .to = kReceiver, .value = wei};
}

class TransactionSenderTest : public testing::Test {
  protected:
    boost::asio::io_context io;
};

TEST_F(TransactionSenderTest, ReturnsOnceTheBlockIsDeepEnough) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto submitted = bench->submit(transfer("one"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        co_await bench->chain.mine(kDepth);
        EXPECT_TRUE(co_await bench->head->wait_for_head(kDepth, kLimit));
        EXPECT_FALSE(submitted->done.is_set());
        EXPECT_EQ(bench->sender->pending(), 1);
        co_await bench->chain.mine();
        EXPECT_TRUE(co_await submitted->done.wait(kLimit));
        EXPECT_TRUE(*submitted->outcome);
        EXPECT_EQ((*submitted->outcome)->block_number, 1);
        EXPECT_EQ(co_await bench->received(), 1000);
        EXPECT_EQ(bench->sender->pending(), 0);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, GivesManyTheirNonces) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        std::vector<std::shared_ptr<Bench::Submitted>> all;
        for (int i = 0; i < 8; ++i) {
            all.push_back(bench->submit(transfer("many " + std::to_string(i))));
        }
        EXPECT_TRUE(co_await bench->until_pool(8));
        for (const auto& submitted : all) {
            EXPECT_TRUE(co_await bench->mine_until_final(submitted));
        }
        EXPECT_EQ(co_await bench->received(), 8000);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, SendsAnIntentOnceHoweverOftenItIsSubmitted) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto first = bench->submit(transfer("once"));
        const auto second = bench->submit(transfer("once"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        const auto outcome = co_await bench->mine_until_final(first);
        EXPECT_EQ((co_await bench->mine_until_final(second)).value().hash, outcome.value().hash);
        co_await bench->close();
        co_await bench->open();
        EXPECT_EQ((co_await bench->sender->submit(transfer("once"))).value().hash, outcome->hash);
        EXPECT_EQ(co_await bench->received(), 1000);
        EXPECT_TRUE(co_await bench->sender->forget("once"));
        EXPECT_TRUE(co_await bench->mine_until_final(bench->submit(transfer("once"))));
        EXPECT_EQ(co_await bench->received(), 2000);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, ForgetsFinalOutcomesThatNobodyTookUpToABlock) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto early = co_await bench->mine_until_final(bench->submit(transfer("early")));
        const auto late = co_await bench->mine_until_final(bench->submit(transfer("late")));
        EXPECT_GT(late->block_number, early->block_number);
        const auto waiting = bench->submit(transfer("waiting"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        EXPECT_TRUE(co_await bench->sender->forget_final(early->block_number));
        EXPECT_EQ((co_await bench->journal->load_all())->size(), 2);
        EXPECT_TRUE(co_await bench->sender->forget_final(late->block_number + 1000));
        EXPECT_EQ((co_await bench->journal->load_all())->size(), 1) << "what is pending stays";
        EXPECT_TRUE(co_await bench->mine_until_final(waiting));
        co_await bench->close();
        co_await bench->open();
        EXPECT_TRUE(co_await bench->sender->forget_final(1'000'000));
        EXPECT_TRUE((co_await bench->journal->load_all())->empty()) << "also after a start";
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, FindsARevertBeforeItCosts) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto usdc = co_await bench->mine_until_final(bench->submit({.intent = "deploy",
            .data = contracts::test_usdc::deployment_code(bench->key.address())}));
        EXPECT_TRUE(usdc) << usdc.error().message();
        EXPECT_EQ(*usdc->contract, contract_address(bench->key.address(), 0));
        const auto refused = co_await bench->sender->submit({.intent = "overdraw",
            .to = usdc->contract,
            .data = contracts::test_usdc::encode_transfer(kReceiver, Uint256::from(5))});
        EXPECT_EQ(refused.error(), make_error_code(ChainError::reverted));
        EXPECT_NE(refused.error().message().find("ERC20InsufficientBalance"), std::string::npos)
            << refused.error().message();
        EXPECT_EQ(bench->sender->pending(), 0);
        // The nonce was not used up.
        EXPECT_TRUE(co_await bench->mine_until_final(bench->submit(transfer("after"))));
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, DecodesARevertOnTheChain) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const Address own = bench->key.address();
        const auto usdc = co_await bench->mine_until_final(bench->submit(
            {.intent = "deploy", .data = contracts::test_usdc::deployment_code(own)}));
        EXPECT_TRUE(co_await bench->mine_until_final(bench->submit({.intent = "mint",
            .to = usdc->contract,
            .data = contracts::test_usdc::encode_mint(own, Uint256::from(5))})));
        // Fine when it was estimated; then the money goes elsewhere.
        const auto spend = bench->submit({.intent = "spend",
            .to = usdc->contract,
            .data = contracts::test_usdc::encode_transfer(kReceiver, Uint256::from(5))});
        EXPECT_TRUE(co_await bench->until_pool(1));
        const Bytes32 slot = [&] {
            Bytes key_and_slot(12, 0);
            append(key_and_slot, own.view());
            append(key_and_slot, Uint256::from(0).big_endian);
            return crypto::keccak256(key_and_slot);
        }();
        (void)co_await bench->chain.ask("anvil_setStorageAt",
            {to_string(*usdc->contract), to_string(slot), to_string(Bytes32{})});
        const auto outcome = co_await bench->mine_until_final(spend);
        EXPECT_EQ(outcome.error(), make_error_code(ChainError::reverted));
        EXPECT_EQ(bench->sender->pending(), 0);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, SendsADroppedTransactionAgain) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto submitted = bench->submit(transfer("dropped"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        const std::string hash = (co_await bench->pool()).front();
        (void)co_await bench->chain.ask("anvil_dropTransaction", {hash});
        EXPECT_TRUE(co_await bench->until(
            [&bench]() -> async::Task<bool> { co_return bench->sender->resent() > 0; }));
        EXPECT_EQ(to_string((co_await bench->mine_until_final(submitted)).value().hash), hash);
        EXPECT_EQ(co_await bench->received(), 1000);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, ReplacesAStuckTransactionOnItsNonceForTenPerCentMore) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor, 50ms);
        const auto submitted = bench->submit(transfer("stuck"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        const json::Value first = co_await bench->chain.ask(
            "eth_getTransactionByHash", {(co_await bench->pool()).front()});
        EXPECT_TRUE(co_await bench->until(
            [&bench]() -> async::Task<bool> { co_return bench->sender->replaced() > 0; }));
        EXPECT_EQ((co_await bench->pool()).size(), 1);
        const auto outcome = co_await bench->mine_until_final(submitted);
        const json::Value mined = co_await bench->chain.ask(
            "eth_getTransactionByHash", {to_string(outcome.value().hash)});
        EXPECT_NE(mined.at("hash"), first.at("hash"));
        EXPECT_EQ(mined.at("nonce"), first.at("nonce"));
        for (const char* const price : {"maxFeePerGas", "maxPriorityFeePerGas"}) {
            EXPECT_GE(parse_quantity128(mined.at(price)).value() * 100,
                parse_quantity128(first.at(price)).value() * 110)
                << price;
        }
        EXPECT_EQ(co_await bench->received(), 1000);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, SendsAgainWhatAReorganisationTookAway) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        co_await bench->chain.mine(3);
        const auto submitted = bench->submit(transfer("reorganised"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        co_await bench->chain.mine(1);
        EXPECT_TRUE(co_await bench->head->wait_for_head(4, kLimit));
        EXPECT_EQ(co_await bench->received(), 1000);
        (void)co_await bench->chain.ask("anvil_reorg", {1, json::Array{}});
        EXPECT_EQ(co_await bench->received(), 0);
        const auto outcome = co_await bench->mine_until_final(submitted);
        EXPECT_TRUE(outcome) << outcome.error().message();
        EXPECT_GT(outcome->block_number, 4);
        EXPECT_EQ(co_await bench->received(), 1000);
        EXPECT_EQ(bench->head->reorganisations(), 1);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, GoesOnWhenAReorganisationTookAwayWhatWasFinalAndForgotten) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        co_await bench->chain.mine(3);
        EXPECT_TRUE(co_await bench->mine_until_final(bench->submit(transfer("first"))));
        EXPECT_TRUE(co_await bench->sender->forget("first"));
        const auto second = bench->submit(transfer("second"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        const auto head = (co_await bench->client->block_number()).value();
        (void)co_await bench->chain.ask("anvil_reorg", {head - 1, json::Array{}});
        EXPECT_EQ(co_await bench->received(), 0);
        const auto outcome = co_await bench->mine_until_final(second);
        EXPECT_TRUE(outcome) << outcome.error().message();
        EXPECT_EQ(co_await bench->received(), 1000);
        EXPECT_EQ((co_await bench->client->nonce(bench->key.address())).value(), 2U);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, SendsAfterARestartWhatWasOnlyWrittenDown) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        bench->wire->lost.insert("eth_sendRawTransaction");
        (void)bench->submit(transfer("written"));
        EXPECT_TRUE(co_await bench->until(
            [&bench]() -> async::Task<bool> { co_return bench->wire->losses > 0; }));
        EXPECT_TRUE((co_await bench->pool()).empty());
        co_await bench->close();
        bench->wire->lost.clear();
        co_await bench->open();
        EXPECT_EQ(bench->sender->pending(), 1);
        EXPECT_TRUE(co_await bench->mine_until_final(bench->submit(transfer("written"))));
        EXPECT_EQ(co_await bench->received(), 1000);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, FindsAfterARestartWhatWasMinedMeanwhile) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        (void)bench->submit(transfer("mined"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        co_await bench->close();
        co_await bench->chain.mine(5);
        co_await bench->open();
        const auto outcome = co_await bench->sender->submit(transfer("mined"));
        EXPECT_EQ(outcome.value().block_number, 1);
        EXPECT_EQ(co_await bench->received(), 1000);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, SaysWhenAnotherProgramTookTheNonce) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto submitted = bench->submit(transfer("mine"));
        EXPECT_TRUE(co_await bench->until_pool(1));
        const Fees fees = (co_await bench->client->fees()).value();
        const SignedTransaction other =
            sign({.chain_id = 31337,
                     .nonce = 0,
                     .max_priority_fee_per_gas = 2 * fees.max_priority_fee_per_gas + 1,
                     .max_fee_per_gas = 2 * fees.max_fee_per_gas,
                     .gas_limit = 21'000,
                     .to = kReceiver,
                     .value = 7},
                bench->key);
        EXPECT_TRUE(co_await bench->client->send_raw_transaction(other.raw));
        const auto outcome = co_await bench->mine_until_final(submitted);
        EXPECT_EQ(outcome.error(), make_error_code(ChainError::replaced));
        EXPECT_EQ(co_await bench->received(), 7);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, RefusesWhatTheAccountCannotPay) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const auto outcome = co_await bench->sender->submit(transfer("rich", ~Uint128{0}));
        EXPECT_FALSE(outcome);
        EXPECT_EQ(bench->sender->pending(), 0);
        EXPECT_TRUE((co_await bench->journal->load_all()).value().empty());
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(TransactionSenderTest, RefusesADamagedJournal) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        EXPECT_TRUE(co_await bench->journal->save("x", to_bytes(std::string_view("{}"))));
        TransactionSender sender(executor, *bench->client, *bench->head, *bench->journal,
            bench->key, {.chain_id = 31337});
        EXPECT_EQ((co_await sender.start()).error(), make_error_code(CommonError::corrupt));
        co_await bench->stop();
    }(io.get_executor()));
}

}  // namespace
}  // namespace decloud::chain
