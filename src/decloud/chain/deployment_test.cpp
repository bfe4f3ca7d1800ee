#include "deployment.hpp"

#include "escrow.hpp"
#include "registry.hpp"
#include "sender_test_support.hpp"

#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/registrar.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/contracts/test_usdc.hpp>
#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>

namespace decloud::chain {
namespace {

using testing_support::Bench;
using testing_support::kLimit;
using testing_support::run;

constexpr std::uint64_t kUnit = 1'000'000;
const Address kProvider{{0xa1, 0x1c, 0xe0}};

Bytes32 subnode(const Bytes32& parent, std::string_view label) {
    Bytes joined = to_bytes(parent.view());
    append(joined, crypto::keccak256(label).view());
    return crypto::keccak256(joined);
}

// Work that waits for final blocks, while a task beside it mines them.
template <class Value>
async::Task<Value> while_mining(Bench* bench, async::Task<Value> work) {
    async::TaskGroup miner(co_await boost::asio::this_coro::executor);
    miner.spawn([](Bench* mined) -> async::Task<void> {
        for (;;) {
            // Fails when it is cancelled half-way.
            (void)co_await mined->chain.rpc->request("anvil_mine", {"0x1"});
            co_await async::delay(std::chrono::milliseconds(20));
        }
    }(bench));
    Value out = co_await std::move(work);
    miner.cancel();
    co_await miner.join();
    co_return out;
}

async::Task<ContractAddresses> deploy(Bench* bench, DevelopmentContractsSettings settings = {}) {
    const auto out = co_await while_mining(
        bench, deploy_development_contracts(*bench->client, *bench->sender, settings));
    EXPECT_TRUE(out) << out.error().message();
    co_return out.value_or(ContractAddresses{});
}

// Sends one call and waits until it is final.
async::Task<void> act(Bench* bench, Address to, Bytes data) {
    const auto outcome = co_await while_mining(bench,
        bench->sender->submit(
            {.intent = "act " + std::to_string(bench->acts++), .to = to, .data = std::move(data)}));
    EXPECT_TRUE(outcome) << outcome.error().message();
}

class DeploymentTest : public testing::Test {
  protected:
    boost::asio::io_context io;
};

TEST_F(DeploymentTest, PutsUpContractsThatFitAndSendsNothingTheSecondTime) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const ContractAddresses first = co_await deploy(bench.get());
        EXPECT_TRUE((co_await are_current(*bench->client, first)).value());
        const auto nonce = co_await bench->client->nonce(bench->key.address());
        EXPECT_EQ(nonce, 6);
        EXPECT_EQ(co_await deploy(bench.get()), first);
        // Nor with an empty journal.
        bench->journal = make_memory_journal();
        co_await bench->close();
        co_await bench->open();
        EXPECT_EQ(co_await deploy(bench.get()), first);
        EXPECT_EQ(co_await bench->client->nonce(bench->key.address()), nonce.value());
        EscrowView escrow(*bench->client, first.escrow);
        EXPECT_EQ(co_await escrow.token(), first.usdc);
        EXPECT_EQ(co_await escrow.close_delay(), std::chrono::hours(24));
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(DeploymentTest, GivesTheSameAddressesOnEveryFreshChain) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const ContractAddresses first = co_await deploy(bench.get());
        co_await bench->stop();
        auto other = co_await Bench::start(executor);
        EXPECT_EQ(co_await deploy(other.get()), first);
        co_await other->stop();
    }(io.get_executor()));
}

TEST_F(DeploymentTest, PutsUpAnewWhatDiffersAndKeepsTheRest) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const ContractAddresses first = co_await deploy(bench.get());
        (void)co_await bench->chain.ask("anvil_setCode", {to_string(first.escrow), "0x00"});
        EXPECT_FALSE((co_await are_current(*bench->client, first)).value());
        const ContractAddresses second = co_await deploy(bench.get(), {.known = first});
        EXPECT_NE(second.escrow, first.escrow);
        EXPECT_EQ(second.usdc, first.usdc);
        EXPECT_EQ(second.registry, first.registry);
        EXPECT_TRUE((co_await are_current(*bench->client, second)).value());
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(DeploymentTest, ShowsMoneyInTheEscrow) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        namespace abi = contracts::escrow;
        auto bench = co_await Bench::start(executor);
        const ContractAddresses all = co_await deploy(bench.get());
        const Address own = bench->key.address();
        EscrowView escrow(*bench->client, all.escrow);
        EXPECT_EQ(co_await escrow.allowance(own, kProvider), std::nullopt);
        EXPECT_EQ((co_await escrow.channel(Bytes32{{1}})).error(),
            make_error_code(ChainError::not_found));

        co_await act(bench.get(), all.usdc,
            contracts::test_usdc::encode_mint(own, Uint256::from(100 * kUnit)));
        co_await act(bench.get(), all.usdc,
            contracts::test_usdc::encode_approve(all.escrow, Uint256::from(100 * kUnit)));
        co_await act(bench.get(), all.escrow, abi::encode_deposit(100 * kUnit));
        co_await act(bench.get(), all.escrow, abi::encode_approve(kProvider, 1000, 5 * kUnit));
        EXPECT_EQ(co_await escrow.free_balance(own), Amount(95 * kUnit));
        const auto channel = (co_await escrow.allowance(own, kProvider)).value();
        EXPECT_TRUE(channel);
        EXPECT_EQ(channel->payer, own);
        EXPECT_EQ(channel->provider, kProvider);
        EXPECT_EQ(channel->price, Amount(1000));
        EXPECT_EQ(channel->reserved, Amount(5 * kUnit));
        EXPECT_EQ(channel->claimed, Amount(0));
        EXPECT_EQ(channel->close_at, UnixSeconds{0});
        EXPECT_EQ(co_await escrow.earned(kProvider), Amount(0));

        co_await act(bench.get(), all.escrow, abi::encode_request_close(channel->id));
        EXPECT_EQ(co_await escrow.allowance(own, kProvider), std::nullopt);
        EXPECT_GT((co_await escrow.channel(channel->id)).value().close_at, UnixSeconds{0});

        co_await act(
            bench.get(), all.escrow, abi::encode_grant_trial(kProvider, 10, 4'000'000'000));
        const auto trial = (co_await escrow.trial(own, kProvider)).value();
        EXPECT_EQ(trial.granted, 10);
        EXPECT_EQ(trial.used, 0);
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(DeploymentTest, ResolvesARegisteredProvider) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        const ContractAddresses all = co_await deploy(bench.get());
        const Address own = bench->key.address();
        const Bytes32 node = subnode(subnode(Bytes32{}, "decloud"), "alice");
        RegistryView registry(*bench->client, all.registry);
        EXPECT_EQ(
            (co_await registry.resolve(node)).error(), make_error_code(ChainError::not_found));
        EXPECT_EQ(co_await registry.owner(node), Address{});

        const Bytes32 secret{{7}};
        const Bytes committed =
            (co_await bench->client->call(
                 all.registrar, contracts::registrar::encode_make_commitment("alice", own, secret)))
                .value();
        co_await act(bench.get(), all.registrar,
            contracts::registrar::encode_commit(Bytes32::from(committed).value()));
        (void)co_await bench->chain.ask("anvil_mine", {to_quantity(1), to_quantity(5)});
        (void)co_await bench->chain.ask("evm_increaseTime", {to_quantity(5)});
        co_await bench->chain.mine();
        co_await act(bench.get(), all.registrar,
            contracts::registrar::encode_register("alice", own, secret));
        EXPECT_EQ(co_await registry.owner(node), own);
        EXPECT_EQ(
            (co_await registry.resolve(node)).error(), make_error_code(ChainError::not_found));
        co_await act(bench.get(), all.registry,
            contracts::registry::encode_set_resolver(node, all.resolver));
        co_await act(bench.get(), all.resolver,
            contracts::resolver::encode_set_provider(
                node, kProvider, "http://127.0.0.1:8402", "{}"));
        const ProviderRecord expected{.address = kProvider,
            .url = "http://127.0.0.1:8402",
            .rsa_jwk = "{}",
            .lowest_epoch = 0,
            .resolver = all.resolver};
        EXPECT_EQ(co_await registry.resolve(node), expected);
        const auto set_epoch = [&](std::string_view value) {
            return contracts::resolver::encode_set_text(
                node, contracts::resolver::kLowestEpochKey, value);
        };
        co_await act(bench.get(), all.resolver, set_epoch("12"));
        EXPECT_EQ((co_await registry.resolve(node)).value().lowest_epoch, 12);
        co_await act(bench.get(), all.resolver, set_epoch("twelve"));
        EXPECT_EQ((co_await registry.resolve(node)).error(),
            make_error_code(ChainError::invalid_response));
        co_await act(bench.get(), all.resolver, set_epoch(std::string(9000, '1')));
        EXPECT_EQ((co_await registry.resolve(node)).error(),
            make_error_code(CommonError::limit_exceeded));
        co_await bench->stop();
    }(io.get_executor()));
}

TEST_F(DeploymentTest, SaysWhenAContractIsOfAnotherKind) {
    run(io, [](async::Executor executor) -> async::Task<void> {
        auto bench = co_await Bench::start(executor);
        EscrowView nothing(*bench->client, kProvider);
        EXPECT_EQ(
            (co_await nothing.token()).error(), make_error_code(ChainError::invalid_response));
        co_await bench->stop();
    }(io.get_executor()));
}

}  // namespace
}  // namespace decloud::chain
