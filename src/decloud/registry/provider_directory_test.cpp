#include "provider_directory.hpp"

#include "registry_test_support.hpp"

#include <decloud/async/event.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace decloud::registry {
namespace {

using namespace std::chrono_literals;
using chain::testing_support::LossyTransport;
using chain::testing_support::run;
using ::testing::HasSubstr;
using testing_support::provider_name;
using testing_support::RegistryChain;
using testing_support::until;

/// A directory that follows a real chain over a wire that can be cut.
class Bench {
  public:
    static async::Task<std::unique_ptr<Bench>> start(
        async::Executor executor, ProviderDirectorySettings settings = {}) {
        std::unique_ptr<Bench> out(new Bench(executor));
        out->world = co_await RegistryChain::start(executor);
        out->wire = std::make_unique<LossyTransport>(*out->world->chain.transport);
        out->rpc = std::make_unique<chain::JsonRpc>(
            *out->wire, std::vector{out->world->chain.process->url()});
        out->client = std::make_unique<chain::EthereumClient>(*out->rpc);
        out->head = std::make_unique<chain::HeadFollower>(executor, *out->client, system_clock(),
            chain::HeadFollowerSettings{.poll = 20ms, .depth = 2});
        out->directory = std::make_unique<ProviderDirectory>(
            executor, *out->client, *out->head, out->world->registry, settings);
        out->group.spawn(out->head->run());
        out->group.spawn(out->directory->run());
        co_return out;
    }

    async::Task<void> stop() {
        co_await directory->stop();
        group.cancel();
        co_await group.join();
        co_await world->chain.stop();
    }

    async::Task<Result<Provider>> find(std::string name) {
        return directory->find(provider_name(name));
    }
    /// Until `name` is served without asking the chain.
    async::Task<bool> until_cached(std::string name) {
        co_return co_await until([this, name]() -> async::Task<bool> {
            const std::uint64_t before = directory->lookups();
            const auto found = co_await find(name);
            co_return found && directory->lookups() == before;
        });
    }
    async::Task<bool> until_host(std::string name, std::string host) {
        co_return co_await until([this, name, host]() -> async::Task<bool> {
            const auto found = co_await find(name);
            co_return found && found->url.host == host;
        });
    }
    async::Task<bool> until_error(std::string name, RegistryError error) {
        co_return co_await until([this, name, error]() -> async::Task<bool> {
            const auto found = co_await find(name);
            co_return !found && found.error() == make_error_code(error);
        });
    }
    void cut_wire() { wire->lost = {"jsonrpc"}; }

    std::unique_ptr<RegistryChain> world;
    std::unique_ptr<LossyTransport> wire;
    std::unique_ptr<chain::JsonRpc> rpc;
    std::unique_ptr<chain::EthereumClient> client;
    std::unique_ptr<chain::HeadFollower> head;
    std::unique_ptr<ProviderDirectory> directory;
    async::TaskGroup group;

  private:
    explicit Bench(const async::Executor& executor) : group(executor) {}
};

class ProviderDirectoryTest : public ::testing::Test {
  protected:
    void play(std::function<async::Task<void>(async::Executor)> body) {
        boost::asio::io_context io(1);
        run(io, body(io.get_executor()));
    }
};

TEST_F(ProviderDirectoryTest, FindsAProviderAndRemembersIt) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("alice", "http://one.example:8402");
        const auto found = co_await bench->find("alice.test");
        EXPECT_TRUE(found) << found.error().message();
        EXPECT_EQ(found->name.full(), "alice.test");
        EXPECT_EQ(found->address, Address{{0xa1}});
        EXPECT_EQ(found->url.to_string(), "http://one.example:8402/");
        EXPECT_TRUE(co_await bench->until_cached("alice.test"));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, AsksOnceHoweverManyWait) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("alice", "http://one.example");
        std::size_t found = 0;
        async::TaskGroup callers(executor);
        for (int i = 0; i < 50; ++i) {
            callers.spawn([](Bench* on, std::size_t* count) -> async::Task<void> {
                *count += (co_await on->find("alice.test")).has_value() ? 1U : 0U;
            }(bench.get(), &found));
        }
        co_await callers.join();
        EXPECT_EQ(found, 50);
        EXPECT_EQ(bench->directory->lookups(), 1);
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, FollowsAChangeOfTheRecordWithinFiveSeconds) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("alice", "http://one.example");
        EXPECT_TRUE(co_await bench->until_cached("alice.test"));
        co_await bench->world->set_url("alice", "http://two.example");
        const auto changed = std::chrono::steady_clock::now();
        EXPECT_TRUE(co_await bench->until_host("alice.test", "two.example"));
        EXPECT_LT(std::chrono::steady_clock::now() - changed, 5s);
        co_await bench->world->remove_resolver("alice");
        EXPECT_TRUE(co_await bench->until_error("alice.test", RegistryError::unknown_provider));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, ForgetsAnAnswerThatTheNextBlockOvertook) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("bob", "http://bob.example");
        co_await bench->world->enroll("alice", "http://one.example");
        int rounds = 0;
        async::Event events_read(executor);
        async::Event asked(executor);
        // Of what is asked for alice, this is the last.
        const std::string last_key = to_hex(as_bytes(contracts::resolver::kLowestEpochKey));
        std::string held;
        std::string awaited = "eth_getLogs";
        bench->wire->on_answer = [&](std::string question) -> async::Task<void> {
            if (!held.empty() && question.contains(held)) {
                held.clear();
                asked.set();
                EXPECT_TRUE(co_await events_read.wait(9s));
            } else if (question.contains("eth_getLogs")) {
                ++rounds;
                if (question.contains(awaited)) {
                    events_read.set();
                }
            }
        };
        // Once bob's own events lie far enough behind, he stays, so that events are asked for.
        co_await bench->world->chain.mine(8);
        EXPECT_TRUE(co_await until([&]() -> async::Task<bool> {
            (void)co_await bench->find("bob.test");
            co_await bench->world->chain.mine();
            co_return rounds >= 3;
        }));
        EXPECT_TRUE(co_await bench->until_cached("bob.test"));
        events_read.reset();
        const json::Value number = co_await bench->world->chain.ask("eth_blockNumber", {});
        awaited =
            fmt::format("\"{:#x}\"", std::stoull(std::string(number.as_string()), nullptr, 16) + 1);
        held = last_key;
        async::TaskGroup callers(executor);
        callers.spawn([](Bench* on) -> async::Task<void> {
            EXPECT_TRUE(co_await on->find("alice.test"));
        }(bench.get()));
        EXPECT_TRUE(co_await asked.wait(20s));
        co_await bench->world->set_url("alice", "http://two.example");
        co_await callers.join();
        EXPECT_TRUE(co_await bench->until_host("alice.test", "two.example"));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, RemembersUnknownNamesUntilTheyAreRegistered) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor, {.refused_age = std::chrono::hours(1)});
        co_await bench->world->enroll("bob", "http://bob.example");
        EXPECT_TRUE(co_await bench->until_cached("bob.test"));
        EXPECT_TRUE(co_await bench->until_error("carol.test", RegistryError::unknown_provider));
        const std::uint64_t before = bench->directory->lookups();
        EXPECT_FALSE(co_await bench->find("carol.test"));
        EXPECT_EQ(bench->directory->lookups(), before);
        co_await bench->world->enroll("carol", "http://carol.example");
        EXPECT_TRUE(co_await bench->until_host("carol.test", "carol.example"));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, NamesTheProviderOfABadRecord) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("mallory", "http://one.example/path");
        const auto found = co_await bench->find("mallory.test");
        EXPECT_FALSE(found);
        EXPECT_EQ(found.error(), make_error_code(RegistryError::unusable_record));
        EXPECT_THAT(found.error().detail(), HasSubstr("mallory.test"));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, ServesWhatItKnowsWhileTheChainIsUnreachable) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("alice", "http://one.example");
        // Events that are under way when the wire is cut may still forget her, once for each block.
        EXPECT_TRUE(co_await until([&bench]() -> async::Task<bool> {
            bench->wire->lost.clear();
            EXPECT_TRUE(co_await bench->until_cached("alice.test"));
            bench->cut_wire();
            EXPECT_TRUE(co_await bench->until_error("carol.test", RegistryError::unavailable));
            co_return (co_await bench->find("alice.test")).has_value();
        }));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, TrustsWhatItKnowsForABoundedTimeOnly) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor, {.stale_limit = 1500ms});
        co_await bench->world->enroll("alice", "http://one.example");
        EXPECT_TRUE(co_await bench->until_cached("alice.test"));
        bench->cut_wire();
        EXPECT_TRUE(co_await bench->until_error("alice.test", RegistryError::unavailable));
        bench->wire->lost.clear();
        EXPECT_TRUE(co_await bench->until_host("alice.test", "one.example"));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, TakesAChangeBackThatAReorganisationUndoes) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->enroll("alice", "http://one.example");
        co_await bench->world->chain.mine(5);
        co_await bench->world->set_url("alice", "http://two.example");
        EXPECT_TRUE(co_await bench->until_host("alice.test", "two.example"));
        EXPECT_TRUE(co_await bench->until_cached("alice.test"));
        (void)co_await bench->world->chain.ask("anvil_reorg", {1, json::Array{}});
        EXPECT_TRUE(co_await bench->until_host("alice.test", "one.example"));
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, KeepsNoMoreThanItMay) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor, {.max_providers = 1});
        co_await bench->world->enroll("alice", "http://one.example");
        co_await bench->world->enroll("bob", "http://bob.example");
        EXPECT_TRUE(co_await bench->until_cached("alice.test"));
        EXPECT_TRUE(co_await bench->until_cached("bob.test"));
        EXPECT_EQ(bench->directory->size(), 1);
        const std::uint64_t before = bench->directory->lookups();
        EXPECT_TRUE(co_await bench->find("alice.test"));
        EXPECT_EQ(bench->directory->lookups(), before + 1);
        co_await bench->stop();
    });
}

TEST_F(ProviderDirectoryTest, EndsLookupsWhenItStops) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        std::optional<Result<Provider>> found;
        bench->world->chain.freeze();
        async::TaskGroup callers(executor);
        callers.spawn([](Bench* on, std::optional<Result<Provider>>* into) -> async::Task<void> {
            *into = co_await on->find("alice.test");
        }(bench.get(), &found));
        co_await bench->directory->stop();
        co_await callers.join();
        bench->world->chain.thaw();
        EXPECT_TRUE(found.has_value());
        EXPECT_EQ(found->error(), make_error_code(RegistryError::unavailable));
        co_await bench->stop();
    });
}

}  // namespace
}  // namespace decloud::registry
