#include "logs.hpp"

#include <gtest/gtest.h>

namespace decloud::client {

namespace {

json::Object entry(std::string end, std::string detail, std::string errors) {
    return {{"number", 7}, {"time", 1'000'000'000}, {"end", std::move(end)}, {"exitCode", 3},
        {"detail", std::move(detail)}, {"stderr", std::move(errors)}};
}

TEST(Logs, SayHowACallEndedAndWhatItWrote) {
    EXPECT_EQ(describe_log("alice", entry("exited", "", "one\ntwo")).value(),
        "2001-09-09T01:46:40Z alice #7 exit code 3\n  one\n  two\n");
    EXPECT_EQ(describe_log("alice", entry("trapped", "unreachable", "")).value(),
        "2001-09-09T01:46:40Z alice #7 trapped: unreachable\n");
    EXPECT_EQ(describe_log("alice", entry("running", "", "hello\n")).value(),
        "2001-09-09T01:46:40Z alice #7 server\n  hello\n");
}

TEST(Logs, SayWhatACallAskedOfOtherMachines) {
    json::Object asked = entry("exited", "", "");
    asked["egress"] =
        json::Object{{"requests", 2}, {"refused", 1}, {"sentBytes", 300}, {"receivedBytes", 4000}};
    EXPECT_EQ(describe_log("alice", asked).value(),
        "2001-09-09T01:46:40Z alice #7 exit code 3 (egress: 2 requests, 1 refused, 300 bytes sent, "
        "4000 received)\n");
    asked["egress"] = json::Object{{"requests", "many"}};
    EXPECT_FALSE(describe_log("alice", asked));
}

TEST(Logs, WriteNothingToTheTerminalButText) {
    EXPECT_EQ(describe_log("alice", entry("running", "", "\x1b]0;title\x07\r\xC3\xA4\t\n")).value(),
        "2001-09-09T01:46:40Z alice #7 server\n  ]0;title\xC3\xA4\t\n");
    EXPECT_EQ(describe_log("alice", entry("running", "",
                                        "a\xC2\x9B"
                                        "2J\n2001 alice #8\n"))
                  .value(),
        "2001-09-09T01:46:40Z alice #7 server\n  a2J\n  2001 alice #8\n");
}

TEST(Logs, AreRefusedWithoutTheirParts) {
    json::Object incomplete = entry("exited", "", "x");
    incomplete.erase("stderr");
    EXPECT_FALSE(describe_log("alice", incomplete));
}

}  // namespace

}  // namespace decloud::client
