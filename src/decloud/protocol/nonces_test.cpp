#include "nonces.hpp"

#include <gtest/gtest.h>

#include <set>

namespace decloud::protocol {
namespace {

using Verdict = Nonces::Verdict;

constexpr const char* kId = "did:key:zAlice";

TEST(Nonces, AreGoodOnce) {
    ManualClock clock(UnixSeconds{1000});
    Nonces nonces(clock);
    const std::string nonce = nonces.issue(kId);
    EXPECT_EQ(nonces.check(kId, nonce), Verdict::good);
    EXPECT_EQ(nonces.use(kId, nonce), Verdict::good);
    EXPECT_EQ(nonces.use(kId, nonce), Verdict::used);
    EXPECT_EQ(nonces.check(kId, nonce), Verdict::used);
}

TEST(Nonces, OfOneSecondAreAllDifferent) {
    ManualClock clock(UnixSeconds{1000});
    Nonces nonces(clock);
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(seen.insert(nonces.issue(kId)).second);
    }
    for (const std::string& nonce : seen) {
        EXPECT_EQ(nonces.use(kId, nonce), Verdict::good);
    }
}

TEST(Nonces, AreForOneIdOfOneRun) {
    ManualClock clock(UnixSeconds{1000});
    Nonces nonces(clock);
    Nonces other_run(clock);
    const std::string nonce = nonces.issue(kId);
    EXPECT_EQ(nonces.check("did:key:zBob", nonce), Verdict::unknown);
    EXPECT_EQ(other_run.check(kId, nonce), Verdict::unknown);
    std::string changed = nonce;
    for (std::size_t i = 0; i < nonce.size(); ++i) {
        changed[i] = nonce[i] == 'A' ? 'B' : 'A';
        EXPECT_EQ(nonces.check(kId, changed), Verdict::unknown) << i;
        changed[i] = nonce[i];
    }
    for (const char* text : {"", "a", "q3Yx0c5w2Jg", "!!!!"}) {
        EXPECT_EQ(nonces.check(kId, text), Verdict::unknown) << text;
    }
    EXPECT_EQ(nonces.check(kId, std::string(100'000, 'A')), Verdict::unknown);
}

TEST(Nonces, DieWithTheirTimeAndWhenTheClockIsSetBack) {
    ManualClock clock(UnixSeconds{1000});
    Nonces nonces(clock, {.life = std::chrono::seconds(60)});
    const std::string nonce = nonces.issue(kId);
    clock.set({1060});
    EXPECT_EQ(nonces.check(kId, nonce), Verdict::good);
    clock.set({1061});
    EXPECT_EQ(nonces.check(kId, nonce), Verdict::expired);
    clock.set({999});
    EXPECT_EQ(nonces.check(kId, nonce), Verdict::expired);
}

TEST(Nonces, WhatFallsOutOfTheWindowCannotComeBack) {
    ManualClock clock(UnixSeconds{1000});
    Nonces nonces(clock, {.window = 64});
    const std::size_t memory = nonces.memory_bytes();
    const std::string first = nonces.issue(kId);
    EXPECT_EQ(nonces.use(kId, first), Verdict::good);
    for (int i = 0; i < 1000; ++i) {
        const std::string nonce = nonces.issue(kId);
        EXPECT_NE(nonces.use(kId, first), Verdict::good);
        EXPECT_EQ(nonces.use(kId, nonce), Verdict::good);
    }
    EXPECT_EQ(nonces.check(kId, first), Verdict::expired);
    EXPECT_EQ(nonces.memory_bytes(), memory);
}

}  // namespace
}  // namespace decloud::protocol
