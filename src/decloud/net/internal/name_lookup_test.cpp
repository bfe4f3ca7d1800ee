#include "name_lookup.hpp"

#include "../error.hpp"
#include "../testing/test_loop.hpp"

#include <decloud/async/task_group.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace decloud::net::internal {
namespace {

using namespace std::chrono_literals;
using testing::run_loop;

const auto kAddress = boost::asio::ip::make_address("192.0.2.1");

/// Servers that answer for every name but `hangs…`, and for those once they are let.
class SlowServers {
  public:
    explicit SlowServers(std::size_t max_threads)
        : lookup(
              [this, released = released_.get_future().share()](
                  const std::string& host) -> NameLookup::Addresses {
                  ++asked;
                  if (host.starts_with("hangs")) {
                      released.wait();
                  }
                  return host == "nowhere" ? NameLookup::Addresses{}
                                           : NameLookup::Addresses{kAddress};
              },
              max_threads) {}
    SlowServers(const SlowServers&) = delete;
    SlowServers& operator=(const SlowServers&) = delete;
    ~SlowServers() {
        let();
        while (lookup.active() > 0) {
            std::this_thread::yield();
        }
    }
    void let() {
        if (!std::exchange(let_, true)) {
            released_.set_value();
        }
    }

  private:
    std::promise<void> released_;
    bool let_ = false;

  public:
    std::atomic<int> asked = 0;
    NameLookup lookup;
};

TEST(NameLookup, FindsAddresses) {
    SlowServers servers(4);
    run_loop([&servers](async::Executor) -> async::Task<void> {
        EXPECT_EQ(
            (co_await servers.lookup.find("a", 30s)).value(), NameLookup::Addresses{kAddress});
        const auto nothing = co_await servers.lookup.find("nowhere", 30s);
        EXPECT_EQ(nothing.error(), make_error_code(NetError::name_not_found));
    });
}

TEST(NameLookup, WhatHangsHoldsUpNobodyElse) {
    SlowServers servers(4);
    run_loop([&servers](async::Executor) -> async::Task<void> {
        for (int index = 0; index < 3; ++index) {
            const auto late = co_await servers.lookup.find("hangs" + std::to_string(index), 1ms);
            EXPECT_EQ(late.error(), make_error_code(CommonError::timeout));
        }
        EXPECT_TRUE((co_await servers.lookup.find("a", 30s)).has_value());
        EXPECT_EQ(servers.lookup.active(), 3U);
    });
}

TEST(NameLookup, IsDoneOnceForAllWhoAskForIt) {
    SlowServers servers(1);
    run_loop([&servers](async::Executor executor) -> async::Task<void> {
        async::TaskGroup tasks(executor);
        for (int index = 0; index < 10; ++index) {
            tasks.spawn([](NameLookup* lookup) -> async::Task<void> {
                EXPECT_TRUE((co_await lookup->find("hangs", 30s)).has_value());
            }(&servers.lookup));
        }
        while (servers.asked == 0) {
            co_await async::delay(1ms);
        }
        const auto other = co_await servers.lookup.find("a", 30s);
        EXPECT_EQ(other.error(), make_error_code(CommonError::unavailable)) << "one at a time";
        servers.let();
        co_await tasks.join();
        EXPECT_EQ(servers.asked, 1);
        EXPECT_TRUE((co_await servers.lookup.find("a", 30s)).has_value());
    });
}

TEST(NameLookup, OutlivesWhoAsked) {
    SlowServers servers(4);
    run_loop([&servers](async::Executor executor) -> async::Task<void> {
        async::TaskGroup tasks(executor);
        tasks.spawn([](NameLookup* lookup) -> async::Task<void> {
            const auto found = co_await lookup->find("hangs", 30s);
            EXPECT_FALSE(found.has_value());
        }(&servers.lookup));
        while (servers.asked == 0) {
            co_await async::delay(1ms);
        }
        tasks.cancel();
        co_await tasks.join();
    });
    EXPECT_EQ(servers.lookup.active(), 1U);
}

TEST(NameLookup, OfTheSystemKnowsThisMachine) {
    run_loop([](async::Executor) -> async::Task<void> {
        const auto found = co_await NameLookup::system().find("localhost", 30s);
        EXPECT_TRUE(found.has_value());
        EXPECT_TRUE(found && found->front().is_loopback());
    });
}

}  // namespace
}  // namespace decloud::net::internal
