#include "call_logs.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace decloud::services {

namespace {

using sandbox::Outcome;

Outcome ended_well() {
    Outcome outcome;
    outcome.end = Outcome::End::exited;
    return outcome;
}

class CallLogsTest : public ::testing::Test {
  protected:
    CallLogs make(CallLogsLimits limits = {}) { return {context_.get_executor(), clock_, limits}; }

    boost::asio::io_context context_;
    ManualClock clock_{UnixSeconds{1000}};
};

TEST_F(CallLogsTest, KeepsWhatWasSaidAndHowItEnded) {
    CallLogs logs = make();
    Outcome outcome = ended_well();
    outcome.exit_code = 3;
    logs.keep("cid", outcome, "oh no\n");
    logs.keep("cid", ended_well(), "");
    logs.keep("other", ended_well(), "else");
    const auto read = logs.read("cid", 0);
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(read[0].errors, "oh no\n");
    EXPECT_EQ(read[0].exit_code, 3);
    EXPECT_EQ(read[0].end, "exited");
    EXPECT_EQ(read[0].time.value, 1000U);
}

TEST_F(CallLogsTest, KeepsWhatCallsAskedOfOtherMachines) {
    CallLogs logs = make();
    Outcome outcome = ended_well();
    outcome.egress.emplace();
    logs.keep("cid", outcome, "");
    EXPECT_TRUE(logs.read("cid", 0).empty());
    outcome.egress =
        sandbox::EgressUse{.requests = 2, .refused = 1, .sent_bytes = 300, .received_bytes = 4000};
    logs.keep("cid", outcome, "");
    const auto read = logs.read("cid", 0);
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(
        to_json(read[0]).at("egress"), json::Value(json::Object{{"requests", 2U}, {"refused", 1U},
                                           {"sentBytes", 300U}, {"receivedBytes", 4000U}}));
}

TEST_F(CallLogsTest, KeepsNothingOfTheProvidersOwnFaults) {
    CallLogs logs = make();
    logs.keep("cid", sandbox::sandbox_failure("no space on /of/the/provider"), "");
    const auto read = logs.read("cid", 0);
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(read[0].end, "sandbox_failed");
    EXPECT_EQ(read[0].detail, "the provider's sandbox failed");
}

TEST_F(CallLogsTest, HasSoManyReadersOfAnOwnerAndInAll) {
    CallLogs logs = make({.followers = 2, .all_followers = 3});
    auto first = logs.follow("owner", "one");
    const auto second = logs.follow("owner", "two");
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(logs.follow("owner", "three"));
    const auto third = logs.follow("another", "four");
    ASSERT_TRUE(third);
    EXPECT_FALSE(logs.follow("yet another", "five"));
    first.reset();
    EXPECT_TRUE(logs.follow("owner", "three"));
}

TEST_F(CallLogsTest, AreReadOneByOne) {
    CallLogs logs = make();
    logs.keep("cid", ended_well(), "one");
    logs.keep("other", ended_well(), "else");
    logs.keep("cid", ended_well(), "two");
    const auto first = logs.next("cid", 0);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->errors, "one");
    const auto second = logs.next("cid", first->number);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->errors, "two");
    EXPECT_FALSE(logs.next("cid", second->number));
}

TEST_F(CallLogsTest, KeepsTheNewestCallsAndTheEndOfEach) {
    CallLogs logs = make({.bytes_per_call = 4, .calls = 2});
    for (const char* const text : {"first", "second", "third"}) {
        logs.keep("cid", ended_well(), text);
    }
    const auto read = logs.read("cid", 0);
    ASSERT_EQ(read.size(), 2U);
    EXPECT_EQ(read[0].errors, "cond");
    EXPECT_EQ(read[1].errors, "hird");
    EXPECT_EQ(logs.read("cid", read[0].number).size(), 1U);
}

TEST_F(CallLogsTest, TakesFromWhoHasMost) {
    CallLogs logs = make({.calls = 1000, .bytes = 20'000});
    logs.keep("quiet", ended_well(), "once");
    for (int i = 0; i < 500; ++i) {
        logs.keep("loud", ended_well(), std::string(100, 'x'));
        EXPECT_LE(logs.bytes(), 20'000U);
    }
    EXPECT_EQ(logs.read("quiet", 0).size(), 1U);
    EXPECT_GT(logs.read("loud", 0).size(), 10U);
}

TEST_F(CallLogsTest, OneEntryMayBeLargerThanAllOfIt) {
    CallLogs logs = make({.bytes_per_call = 1000, .bytes = 100});
    logs.keep("cid", ended_well(), std::string(1000, 'x'));
    EXPECT_EQ(logs.bytes(), 0U);
    EXPECT_TRUE(logs.read("cid", 0).empty());
}

TEST_F(CallLogsTest, WhatIsNotTextBecomesText) {
    CallLogs logs = make({.bytes_per_call = 4});
    logs.keep("cid", ended_well(), "\xC3\xA4\xC3\xA4z");
    logs.keep("cid", ended_well(), "a\xFFz");
    const auto read = logs.read("cid", 0);
    EXPECT_EQ(read[0].errors, "\xC3\xA4z");
    EXPECT_EQ(read[1].errors, "a?z");
}

TEST_F(CallLogsTest, ForgetsADeployment) {
    CallLogs logs = make();
    logs.keep("cid", ended_well(), "x");
    logs.forget("cid");
    logs.forget("never");
    EXPECT_TRUE(logs.read("cid", 0).empty());
    EXPECT_EQ(logs.bytes(), 0U);
}

TEST_F(CallLogsTest, AFollowerHearsOfItsDeployment) {
    CallLogs logs = make({.followers = 1});
    const auto follower = logs.follow("owner", "cid");
    ASSERT_TRUE(follower);
    EXPECT_FALSE(logs.follow("owner", "cid"));
    bool heard = false;
    boost::asio::co_spawn(
        context_,
        [&]() -> async::Task<void> {
            co_await follower->wait(std::chrono::minutes(1));
            heard = true;
        },
        boost::asio::detached);
    context_.poll();
    logs.keep("other", ended_well(), "x");
    context_.poll();
    EXPECT_FALSE(heard);
    logs.keep("cid", ended_well(), "x");
    context_.run();
    EXPECT_TRUE(heard);
}

TEST_F(CallLogsTest, NobodyWaitsAfterTheEnd) {
    CallLogs logs = make();
    const auto follower = logs.follow("owner", "cid");
    int waits = 0;
    boost::asio::co_spawn(
        context_,
        [&]() -> async::Task<void> {
            for (; waits < 3; ++waits) {
                co_await follower->wait(std::chrono::hours(1));
            }
        },
        boost::asio::detached);
    context_.poll();
    logs.stop();
    context_.run();
    EXPECT_EQ(waits, 3);
    EXPECT_FALSE(logs.follow("owner", "cid"));
}

}  // namespace

}  // namespace decloud::services
