#include "protocol.hpp"

#include "../native/launcher_client.hpp"
#include "../native/protocol.hpp"

#include <gtest/gtest.h>

namespace decloud::sandbox {

namespace {

TEST(WasmProtocol, ARunSurvivesTheJourney) {
    const Bytes body = to_bytes("the body");
    const Bytes message = wasm::encode(wasm::RunRequest{.id = 7,
                                           .module = 3,
                                           .wall_ms = 15'000,
                                           .memory_bytes = kMiB,
                                           .response_bytes = 99,
                                           .stderr_bytes = 5,
                                           .has_way_out = true,
                                           .head = as_bytes(std::string_view("GET / HTTP/1.1")),
                                           .environment = {},
                                           .body = body},
        {{"A", "1"}, {"B", ""}});
    const auto run = wasm::parse_run(message);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->id, 7U);
    EXPECT_EQ(run->module, 3U);
    EXPECT_EQ(run->wall_ms, 15'000U);
    EXPECT_EQ(run->memory_bytes, kMiB);
    EXPECT_TRUE(run->has_way_out);
    EXPECT_EQ(run->environment_count, 2U);
    EXPECT_EQ(as_text(run->environment), std::string_view("A=1\0B=\0", 7));
    EXPECT_EQ(as_text(run->head), "GET / HTTP/1.1");
    EXPECT_EQ(as_text(run->body), "the body");
}

Bytes good_answer() {
    wasm::RunResult result;
    result.id = 9;
    result.outcome.end = Outcome::End::exited;
    result.outcome.exit_code = 3;
    result.outcome.stderr_tail = "oops";
    const Bytes output = to_bytes("out");
    result.output = output;
    return wasm::encode(result);
}

TEST(WasmProtocol, AnAnswerSurvivesTheJourney) {
    const Bytes message = good_answer();
    const auto done = wasm::parse_done(message);
    ASSERT_TRUE(done);
    EXPECT_EQ(done->id, 9U);
    EXPECT_EQ(done->outcome.exit_code, 3);
    EXPECT_EQ(done->outcome.stderr_tail, "oops");
    EXPECT_EQ(as_text(done->output), "out");
}

TEST(WasmProtocol, TruncatedAndExtendedMessagesAreRefused) {
    const Bytes message = good_answer();
    for (std::size_t size = 0; size < message.size(); ++size) {
        EXPECT_FALSE(wasm::parse_done(BytesView(message).first(size))) << size;
    }
    Bytes longer = message;
    longer.push_back(0);
    EXPECT_FALSE(wasm::parse_done(longer));
}

TEST(WasmProtocol, AnUnknownEndIsRefused) {
    Bytes message = good_answer();
    message[1 + 4 * 8 + 4] = 200;
    EXPECT_FALSE(wasm::parse_done(message));
}

TEST(NativeProtocol, ARunSurvivesTheJourney) {
    Limits limits;
    limits.pids = 11;
    const Bytes message = native::encode_run(
        5, {.root = "/cache/packages/x", .arguments = {"/bin/run", "-v"}}, {{"K", "v"}}, limits);
    const auto run = native::parse_run(message);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->numbers.id, 5U);
    EXPECT_EQ(run->numbers.pids, 11U);
    EXPECT_EQ(run->package, "/cache/packages/x");
    EXPECT_EQ(run->arguments, std::string("/bin/run\0-v\0", 12));
    EXPECT_EQ(run->folder, "/");
    EXPECT_EQ(run->numbers.user, native::kInnerUser);
    EXPECT_EQ(run->environment, std::string("K=v\0", 4));
    for (std::size_t size = 0; size < message.size(); ++size) {
        EXPECT_FALSE(native::parse_run(BytesView(message).first(size))) << size;
    }
}

TEST(NativeProtocol, WhatCameOfAFreezeSurvivesTheJourney) {
    const Bytes message = native::encode(native::FreezerState{.id = 5, .frozen = true});
    const auto parsed = native::parse_freezer(message);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->id, 5U);
    EXPECT_TRUE(parsed->frozen);
    for (std::size_t size = 0; size < message.size(); ++size) {
        EXPECT_FALSE(native::parse_freezer(BytesView(message).first(size))) << size;
    }
}

TEST(NativeProtocol, AnAnswerSurvivesTheJourney) {
    native::RunDone done;
    done.id = 5;
    done.end = Outcome::End::timed_out;
    done.detail = "why";
    const Bytes message = native::encode(done);
    const auto parsed = native::parse_done(message);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->end, Outcome::End::timed_out);
    EXPECT_EQ(parsed->detail, "why");
    for (std::size_t size = 0; size < message.size(); ++size) {
        EXPECT_FALSE(native::parse_done(BytesView(message).first(size))) << size;
        EXPECT_FALSE(native::parse_ready(BytesView(message).first(size))) << size;
    }
}

}  // namespace

}  // namespace decloud::sandbox
