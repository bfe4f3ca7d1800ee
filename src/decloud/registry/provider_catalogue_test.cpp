#include "provider_catalogue.hpp"

#include "provider_directory.hpp"
#include "registry_test_support.hpp"

#include <decloud/contracts/registrar.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace decloud::registry {
namespace {

using namespace std::chrono_literals;
using chain::testing_support::LossyTransport;
using chain::testing_support::run;
using testing_support::RegistryChain;
using testing_support::until;

/// A catalogue that follows a registrar on a real chain.
class Bench {
  public:
    static async::Task<std::unique_ptr<Bench>> start(
        async::Executor executor, ProviderCatalogueSettings settings = {}) {
        std::unique_ptr<Bench> out(new Bench(executor));
        out->world = co_await RegistryChain::start(executor);
        co_await out->world->give_top_name_to_a_registrar();
        out->wire = std::make_unique<LossyTransport>(*out->world->chain.transport);
        out->rpc = std::make_unique<chain::JsonRpc>(
            *out->wire, std::vector{out->world->chain.process->url()});
        out->client = std::make_unique<chain::EthereumClient>(*out->rpc);
        out->head = std::make_unique<chain::HeadFollower>(executor, *out->client, system_clock(),
            chain::HeadFollowerSettings{.poll = 20ms, .depth = 2});
        out->directory = std::make_unique<ProviderDirectory>(
            executor, *out->client, *out->head, out->world->registry);
        out->catalogue = std::make_unique<ProviderCatalogue>(
            executor, *out->client, *out->head, out->world->registry, *out->directory, settings);
        out->group.spawn(out->head->run());
        out->group.spawn(out->directory->run());
        out->group.spawn(out->catalogue->run());
        co_return out;
    }

    async::Task<void> stop() {
        co_await directory->stop();
        group.cancel();
        co_await group.join();
        co_await world->chain.stop();
    }

    /// The names, each with its host.
    std::string listed() const {
        std::string out;
        for (const Provider& provider : *catalogue->providers()) {
            out += provider.name.full() + "=" + provider.url.host + " ";
        }
        return out;
    }
    async::Task<bool> until_listed(std::vector<std::string> wanted) {
        co_return co_await until([this, wanted]() -> async::Task<bool> {
            const std::string all = listed();
            co_return catalogue->providers()->size() == wanted.size() &&
                std::ranges::all_of(wanted, [&](const std::string& one) {
                    return all.find(one + " ") != std::string::npos;
                });
        });
    }

    std::unique_ptr<RegistryChain> world;
    std::unique_ptr<LossyTransport> wire;
    std::unique_ptr<chain::JsonRpc> rpc;
    std::unique_ptr<chain::EthereumClient> client;
    std::unique_ptr<chain::HeadFollower> head;
    std::unique_ptr<ProviderDirectory> directory;
    std::unique_ptr<ProviderCatalogue> catalogue;
    async::TaskGroup group;

  private:
    explicit Bench(const async::Executor& executor) : group(executor) {}
};

void play(std::function<async::Task<void>(async::Executor)> body) {
    boost::asio::io_context io(1);
    run(io, body(io.get_executor()));
}

TEST(ProviderCatalogue, ListsWhoIsRegisteredAndHasARecord) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        EXPECT_TRUE(co_await until(
            [&]() -> async::Task<bool> { co_return bench->catalogue->is_complete(); }));
        co_await bench->world->register_name("alice");
        co_await bench->world->register_name("nobody");
        co_await bench->world->describe("alice.decloud", "http://one.example");
        EXPECT_TRUE(co_await bench->until_listed({"alice.decloud=one.example"}));
        co_await bench->world->register_name("bob");
        co_await bench->world->describe("bob.decloud", "http://bob.example");
        EXPECT_TRUE(
            co_await bench->until_listed({"alice.decloud=one.example", "bob.decloud=bob.example"}));
        co_await bench->world->describe("alice.decloud", "http://two.example");
        EXPECT_TRUE(
            co_await bench->until_listed({"alice.decloud=two.example", "bob.decloud=bob.example"}));
        co_await bench->stop();
    });
}

TEST(ProviderCatalogue, TakesBackWhatAReorganisationUndoes) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->register_name("alice");
        co_await bench->world->describe("alice.decloud", "http://one.example");
        co_await bench->world->chain.mine(5);
        co_await bench->world->register_name("bob");
        co_await bench->world->describe("bob.decloud", "http://bob.example");
        EXPECT_TRUE(
            co_await bench->until_listed({"alice.decloud=one.example", "bob.decloud=bob.example"}));
        // bob's registration is one of the last three blocks: commit, register, resolver, record.
        (void)co_await bench->world->chain.ask("anvil_reorg", {3, json::Array{}});
        EXPECT_TRUE(co_await bench->until_listed({"alice.decloud=one.example"}));
        co_await bench->stop();
    });
}

TEST(ProviderCatalogue, ReadsAHistoryInPieces) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor, {.max_event_blocks = 2});
        for (const std::string name : {"alice", "bob", "carol"}) {
            co_await bench->world->register_name(name);
            co_await bench->world->describe(name + ".decloud", "http://" + name + ".example");
        }
        co_await bench->world->chain.mine(5);
        EXPECT_TRUE(co_await bench->until_listed({"alice.decloud=alice.example",
            "bob.decloud=bob.example", "carol.decloud=carol.example"}));
        co_await bench->stop();
    });
}

TEST(ProviderCatalogue, KeepsNoMoreThanItMay) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor, {.max_providers = 1});
        co_await bench->world->register_name("alice");
        co_await bench->world->describe("alice.decloud", "http://one.example");
        EXPECT_TRUE(co_await bench->until_listed({"alice.decloud=one.example"}));
        co_await bench->world->register_name("bob");
        co_await bench->world->describe("bob.decloud", "http://bob.example");
        const std::uint64_t seen = bench->head->head()->number;
        co_await bench->world->chain.mine(3);
        EXPECT_TRUE(co_await until(
            [&]() -> async::Task<bool> { co_return bench->head->head()->number >= seen + 3; }));
        EXPECT_TRUE(co_await bench->until_listed({"alice.decloud=one.example"}));
        co_await bench->stop();
    });
}

TEST(ProviderCatalogue, KeepsItsListWhileTheChainIsUnreachable) {
    play([](async::Executor executor) -> async::Task<void> {
        const auto bench = co_await Bench::start(executor);
        co_await bench->world->register_name("alice");
        co_await bench->world->describe("alice.decloud", "http://one.example");
        EXPECT_TRUE(co_await bench->until_listed({"alice.decloud=one.example"}));
        bench->wire->lost = {"jsonrpc"};
        EXPECT_TRUE(co_await until([&]() -> async::Task<bool> {
            co_return (co_await bench->directory->find(testing_support::provider_name("carol")))
                    .error() == make_error_code(RegistryError::unavailable);
        }));
        EXPECT_EQ(bench->listed(), "alice.decloud=one.example ");
        co_await bench->stop();
    });
}

}  // namespace
}  // namespace decloud::registry
