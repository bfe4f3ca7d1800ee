#include "announcer.hpp"

#include <gtest/gtest.h>

#include <set>

namespace decloud::kubo {
namespace {

using namespace std::chrono_literals;

Cid cid_of(std::size_t number) {
    return Cid::of(multiformats::Codec::raw, as_bytes(std::to_string(number)));
}

/// A network that is told, and roots to tell of.
class Network {
  public:
    Announcer::Roots roots() {
        return
            [this](const std::optional<Cid>& after, std::size_t count) -> Result<std::vector<Cid>> {
                const std::lock_guard lock(mutex_);
                std::vector<Cid> out;
                for (auto it = after ? roots_.upper_bound(*after) : roots_.begin();
                    it != roots_.end() && out.size() < count; ++it) {
                    out.push_back(*it);
                }
                return out;
            };
    }
    Announcer::Announce announce() {
        return [this](const Cid& cid) -> Result<bool> {
            std::unique_lock lock(mutex_);
            told_.push_back(cid);
            changed_.notify_all();
            changed_.wait(lock, [this] { return !holds_; });
            return fails_ ? Result<bool>(fail(CommonError::io, "no peers")) : Result<bool>(true);
        };
    }
    void add(const Cid& root) {
        const std::lock_guard lock(mutex_);
        roots_.insert(root);
    }
    void hold(bool holds) {
        const std::lock_guard lock(mutex_);
        holds_ = holds;
        changed_.notify_all();
    }
    void fail_all() {
        const std::lock_guard lock(mutex_);
        fails_ = true;
    }
    /// Waits until so many were announced.
    std::vector<Cid> told(std::size_t count) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, 60s, [&] { return told_.size() >= count; }));
        return told_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<Cid> roots_;
    std::vector<Cid> told_;
    bool holds_ = false;
    bool fails_ = false;
};

TEST(Announcer, TellsOfAllRootsAtTheStartHoweverManyThereAre) {
    Network network;
    std::set<Cid> all;
    for (std::size_t i = 0; i < 600; ++i) {
        network.add(cid_of(i));
        all.insert(cid_of(i));
    }
    Announcer announcer(network.roots(), network.announce(), {.between = 0ms});
    const auto told = network.told(600);
    EXPECT_EQ(std::set(told.begin(), told.end()), all);
    EXPECT_EQ(told.size(), 600U);
}

TEST(Announcer, TellsOfThemAgainInEveryRound) {
    Network network;
    network.add(cid_of(1));
    Announcer announcer(network.roots(), network.announce(), {.between = 0ms, .round = 10ms});
    EXPECT_EQ(network.told(3).at(2), cid_of(1));
}

TEST(Announcer, TellsOfNewRootsFirst) {
    Network network;
    for (std::size_t i = 0; i < 10; ++i) {
        network.add(cid_of(i));
    }
    network.hold(true);
    Announcer announcer(network.roots(), network.announce(), {.between = 0ms});
    EXPECT_EQ(network.told(1).size(), 1U);
    announcer.add(cid_of(100));
    announcer.add(cid_of(100));
    network.hold(false);
    const auto told = network.told(11);
    EXPECT_EQ(told.at(1), cid_of(100));
    EXPECT_EQ(told.size(), 11U);
}

TEST(Announcer, HoldsNoMoreNewRootsThanItMay) {
    Network network;
    network.hold(true);
    Announcer announcer(network.roots(), network.announce(), {.max_waiting = 3, .between = 0ms});
    announcer.add(cid_of(0));
    EXPECT_EQ(network.told(1).size(), 1U);
    for (std::size_t i = 1; i < 10; ++i) {
        announcer.add(cid_of(i));
    }
    network.hold(false);
    const auto told = network.told(4);
    announcer.stop();
    EXPECT_EQ(network.told(4), (std::vector<Cid>{cid_of(0), cid_of(1), cid_of(2), cid_of(3)}));
}

TEST(Announcer, PausesAfterAFailureAndIsStoppedMeanwhile) {
    Network network;
    network.add(cid_of(1));
    network.add(cid_of(2));
    network.fail_all();
    Announcer announcer(network.roots(), network.announce(), {.between = 0ms, .after_failure = 1h});
    EXPECT_EQ(network.told(1).size(), 1U);
    announcer.stop();
    EXPECT_EQ(network.told(1).size(), 1U) << "the second one has to wait";
}

}  // namespace
}  // namespace decloud::kubo
