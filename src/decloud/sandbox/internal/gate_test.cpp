#include "gate.hpp"

#include <decloud/async/task_group.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace decloud::sandbox::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A gate with one place, which is taken, and those who ask for it.
class GateTest : public ::testing::Test {
  protected:
    explicit GateTest(std::size_t queue = 100) : gate_(context_.get_executor(), 1, queue) {
        EXPECT_TRUE(gate_.try_enter());
    }

    /// Nobody is left waiting.
    void TearDown() override {
        gate_.close();
        settle();
    }

    void ask(const std::string& owner) { ask(owner, owner); }
    /// `call` is what is told of it.
    void ask(const std::string& owner, const std::string& call) {
        boost::asio::co_spawn(
            context_,
            [](GateTest* test, std::string who, std::string what) -> async::Task<void> {
                const bool admitted = co_await test->gate_.enter(std::move(who));
                (admitted ? test->admitted_ : test->refused_).push_back(std::move(what));
            }(this, owner, call),
            boost::asio::detached);
        settle();
    }
    void leave(int times) {
        for (int i = 0; i < times; ++i) {
            gate_.leave();
            settle();
        }
    }
    void settle() {
        context_.restart();
        context_.poll();
    }

    boost::asio::io_context context_;
    Gate gate_;
    std::vector<std::string> admitted_;
    std::vector<std::string> refused_;
};

class GateWithAShortQueue : public GateTest {
  protected:
    GateWithAShortQueue() : GateTest(4) {}
};

TEST_F(GateTest, LetsOneOwnersCallsInInTheirOrder) {
    for (const char* call : {"first", "second", "third"}) {
        ask("a", call);
    }
    EXPECT_THAT(admitted_, IsEmpty());
    leave(2);
    EXPECT_THAT(admitted_, ElementsAre("first", "second"));
}

TEST_F(GateTest, GivesPlacesToOwnersInTurns) {
    for (const char* owner : {"flood", "flood", "flood", "flood", "b", "b", "c"}) {
        ask(owner);
    }
    leave(7);
    EXPECT_THAT(admitted_, ElementsAre("flood", "b", "c", "flood", "b", "flood", "flood"));
    leave(1);
    EXPECT_TRUE(gate_.try_enter());
    EXPECT_FALSE(gate_.try_enter());
}

TEST_F(GateTest, AnOwnerWhoComesBackIsLast) {
    ask("a");
    ask("b");
    leave(1);
    ask("c");
    ask("a");
    leave(3);
    EXPECT_THAT(admitted_, ElementsAre("a", "b", "c", "a"));
}

TEST_F(GateWithAShortQueue, AFloodLeavesRoomForOthers) {
    for (int i = 0; i < 6; ++i) {
        ask("flood");
    }
    EXPECT_THAT(refused_, ElementsAre("flood", "flood"));
    // The newest of the flood go, until all have as many.
    ask("b");
    ask("b");
    EXPECT_THAT(refused_, ElementsAre("flood", "flood", "flood", "flood"));
    ask("b");
    EXPECT_EQ(refused_.back(), "b");
    ask("flood");
    EXPECT_EQ(refused_.back(), "flood");
    leave(4);
    EXPECT_THAT(admitted_, ElementsAre("flood", "b", "flood", "b"));
}

TEST_F(GateTest, SendsEveryoneAwayWhenItCloses) {
    ask("a");
    ask("b");
    gate_.close();
    settle();
    EXPECT_THAT(refused_, ElementsAre("a", "b"));
    ask("c");
    EXPECT_THAT(refused_, ElementsAre("a", "b", "c"));
    gate_.leave();
}

}  // namespace
}  // namespace decloud::sandbox::internal
