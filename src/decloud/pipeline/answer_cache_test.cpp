#include "answer_cache.hpp"

#include <gtest/gtest.h>

namespace decloud::pipeline {
namespace {

Answer answer_of(std::size_t bytes) { return {.head = {}, .body = Bytes(bytes, 1)}; }

TEST(AnswerCache, KeepsAnswersForTheirTimeOnly) {
    ManualClock clock({1'000});
    AnswerCache cache(
        {.max_answer_bytes = 10, .max_total_bytes = 100, .max_age = std::chrono::seconds(600)},
        clock);
    cache.put("a", answer_of(5));
    ASSERT_NE(cache.find("a"), nullptr);
    clock.advance(std::chrono::seconds(600));
    EXPECT_EQ(cache.find("a"), nullptr);
    EXPECT_EQ(cache.total_bytes(), 0U);
}

TEST(AnswerCache, DropsTheOldestWhenFullAndNeverKeepsLargeOnes) {
    ManualClock clock({1'000});
    AnswerCache cache(
        {.max_answer_bytes = 10, .max_total_bytes = 25, .max_age = std::chrono::seconds(600)},
        clock);
    cache.put("a", answer_of(10));
    cache.put("b", answer_of(10));
    cache.put("c", answer_of(10));
    cache.put("large", answer_of(11));
    EXPECT_EQ(cache.find("a"), nullptr);
    EXPECT_NE(cache.find("b"), nullptr);
    EXPECT_NE(cache.find("c"), nullptr);
    EXPECT_EQ(cache.find("large"), nullptr);
    EXPECT_LE(cache.total_bytes(), 25U);
}

}  // namespace
}  // namespace decloud::pipeline
