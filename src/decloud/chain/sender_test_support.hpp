#pragma once

#include "head_follower.hpp"
#include "test_support.hpp"
#include "transaction.hpp"
#include "transaction_sender.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>

#include <boost/asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace decloud::chain::testing_support {

inline constexpr std::uint64_t kDepth = 2;
inline constexpr std::chrono::seconds kLimit{30};

// The real transport, on whose wire some methods get lost.
class LossyTransport final : public JsonRpcTransport {
  public:
    explicit LossyTransport(JsonRpcTransport& inner) : inner_(inner) {}

    async::Task<Result<std::string>> post(
        std::string url, std::string body, std::chrono::milliseconds timeout) override {
        for (const std::string& method : lost) {
            if (body.find(method) != std::string::npos) {
                ++losses;
                co_return fail(ChainError::unreachable, "lost");
            }
        }
        auto answer = co_await inner_.post(std::move(url), body, timeout);
        if (on_answer) {
            co_await on_answer(std::move(body));
        }
        co_return answer;
    }
    async::Task<void> stop() override { co_return; }

    std::set<std::string> lost;
    // Given the question; the answer arrives when it ends.
    std::function<async::Task<void>(std::string)> on_answer;
    int losses = 0;

  private:
    JsonRpcTransport& inner_;
};

// Anvil's account 0.
inline crypto::Secp256k1PrivateKey test_key() {
    return crypto::Secp256k1PrivateKey::from_bytes(
        *from_hex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
        .value();
}

inline const Address kReceiver{{0xbe, 0xef}};

// A chain that mines when told to, and one sender on it that can be stopped and started again.
class Bench {
  public:
    static async::Task<std::unique_ptr<Bench>> start(async::Executor executor,
        std::chrono::steady_clock::duration stuck_after = std::chrono::hours(1)) {
        auto out = std::unique_ptr<Bench>(new Bench(executor, stuck_after));
        out->chain = co_await TestChain::start(executor);
        out->wire = std::make_unique<LossyTransport>(*out->chain.transport);
        out->rpc = std::make_unique<JsonRpc>(*out->wire, std::vector{out->chain.process->url()});
        out->client = std::make_unique<EthereumClient>(*out->rpc);
        co_await out->open();
        co_return out;
    }

    async::Task<void> open() {
        group = std::make_unique<async::TaskGroup>(executor_);
        head = std::make_unique<HeadFollower>(executor_, *client, system_clock(),
            HeadFollowerSettings{.poll = std::chrono::milliseconds(20), .depth = kDepth});
        sender = std::make_unique<TransactionSender>(executor_, *client, *head, *journal, key,
            TransactionSenderSettings{
                .chain_id = 31337, .stuck_after = stuck_after_, .wait = kLimit});
        EXPECT_TRUE(co_await sender->start());
        group->spawn(head->run());
        group->spawn(sender->run());
    }

    // Ends everything where it is, as a crash would; only the journal stays.
    async::Task<void> close() {
        group->cancel();
        co_await group->join();
        sender.reset();
        head.reset();
    }

    async::Task<void> stop() {
        co_await close();
        co_await chain.stop();
    }

    // Submits in the background; the outcome is there when `done` is set.
    struct Submitted {
        explicit Submitted(const async::Executor& executor) : done(executor) {}
        async::Event done;
        std::optional<Result<TransactionOutcome>> outcome;
    };
    std::shared_ptr<Submitted> submit(TransactionRequest request) {
        auto out = std::make_shared<Submitted>(executor_);
        group->spawn([](TransactionSender* by, TransactionRequest what,
                         std::shared_ptr<Submitted> into) -> async::Task<void> {
            into->outcome = co_await by->submit(std::move(what));
            into->done.set();
        }(sender.get(), std::move(request), out));
        return out;
    }

    // The outcome while blocks keep coming.
    async::Task<Result<TransactionOutcome>> mine_until_final(std::shared_ptr<Submitted> submitted) {
        const auto end = std::chrono::steady_clock::now() + kLimit;
        while (!submitted->done.is_set() && std::chrono::steady_clock::now() < end) {
            co_await chain.mine();
            (void)co_await submitted->done.wait(std::chrono::milliseconds(100));
        }
        co_return submitted->outcome.value_or(fail(CommonError::timeout));
    }

    // Waits for anything that only asking can tell.
    async::Task<bool> until(std::function<async::Task<bool>()> condition) {
        const auto end = std::chrono::steady_clock::now() + kLimit;
        while (std::chrono::steady_clock::now() < end) {
            if (co_await condition()) {
                co_return true;
            }
            co_await async::delay(std::chrono::milliseconds(10));
        }
        co_return false;
    }

    // The hashes that wait in anvil's pool.
    async::Task<std::vector<std::string>> pool() {
        const json::Value content = co_await chain.ask("txpool_content");
        std::vector<std::string> out;
        for (const auto& account : content.at("pending").as_object()) {
            for (const auto& nonce : account.value().as_object()) {
                out.emplace_back(nonce.value().at("hash").as_string());
            }
        }
        co_return out;
    }
    async::Task<bool> until_pool(std::size_t count) {
        co_return co_await until(
            [this, count]() -> async::Task<bool> { co_return (co_await pool()).size() == count; });
    }
    async::Task<Uint128> received() {
        co_return (co_await chain.client->balance(kReceiver)).value();
    }

    TestChain chain;
    std::unique_ptr<LossyTransport> wire;
    std::unique_ptr<JsonRpc> rpc;
    std::unique_ptr<EthereumClient> client;
    std::unique_ptr<SenderJournal> journal = make_memory_journal();
    crypto::Secp256k1PrivateKey key = test_key();
    std::unique_ptr<async::TaskGroup> group;
    std::unique_ptr<HeadFollower> head;
    std::unique_ptr<TransactionSender> sender;
    int acts = 0;

  private:
    Bench(async::Executor executor, std::chrono::steady_clock::duration stuck_after)
        : executor_(std::move(executor)), stuck_after_(stuck_after) {}
    async::Executor executor_;
    std::chrono::steady_clock::duration stuck_after_;
};

}  // namespace decloud::chain::testing_support
