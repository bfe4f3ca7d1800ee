#include "trace_context.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace decloud::net {
namespace {

constexpr std::string_view kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr std::string_view kGood = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, ReadsWhatTheSpecificationShows) {
    const auto context = parse_traceparent(kGood);
    ASSERT_TRUE(context);
    EXPECT_EQ(context->trace_id, kTrace);
    EXPECT_EQ(context->parent_id, "00f067aa0ba902b7");
    EXPECT_TRUE(context->sampled);
    EXPECT_EQ(format_traceparent(*context), kGood);
    std::string unsampled(kGood);
    unsampled.back() = '2';
    EXPECT_FALSE(parse_traceparent(unsampled)->sampled) << "another flag";
    std::string later(kGood);
    later.replace(0, 2, "cc");
    EXPECT_TRUE(parse_traceparent(later + "-what-comes"));
    EXPECT_FALSE(parse_traceparent(later + "what-comes"));
}

TEST(TraceContext, RefusesEverythingElse) {
    EXPECT_FALSE(parse_traceparent(""));
    EXPECT_FALSE(parse_traceparent(std::string(kGood) + "-more"));
    EXPECT_FALSE(parse_traceparent("ff" + std::string(kGood.substr(2))));
    EXPECT_FALSE(parse_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
    EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
    for (std::size_t at = 0; at < kGood.size(); ++at) {
        std::string wrong(kGood);
        wrong[at] = 'A';
        EXPECT_FALSE(parse_traceparent(wrong)) << at;
        EXPECT_FALSE(parse_traceparent(kGood.substr(0, at))) << at;
    }
}

TEST(TraceContext, GoesOnWithATraceAndBeginsOneOtherwise) {
    http::Headers known{
        {"Traceparent", kGood}, {"tracestate", "a=1, b@c=2"}, {"TraceState", "d=3"}};
    const TraceSpan span = continue_trace(known, {});
    EXPECT_EQ(span.context.trace_id, kTrace);
    EXPECT_EQ(span.caller_id, "00f067aa0ba902b7");
    EXPECT_NE(span.context.parent_id, span.caller_id);
    EXPECT_EQ(known.find("traceparent"), format_traceparent(span.context));
    EXPECT_EQ(known.all("tracestate").size(), 2U);

    for (const std::string_view wrong : {"nonsense", ""}) {
        http::Headers headers{{"traceparent", wrong}, {"tracestate", "a=1"}};
        const TraceSpan fresh = continue_trace(headers, {});
        EXPECT_TRUE(fresh.caller_id.empty());
        EXPECT_TRUE(parse_traceparent(headers.find("traceparent").value_or("")));
        EXPECT_FALSE(headers.contains("tracestate")) << "of no trace";
    }
    http::Headers twice{{"traceparent", kGood}, {"traceparent", kGood}};
    EXPECT_NE(continue_trace(twice, {}).context.trace_id, kTrace);
    EXPECT_EQ(twice.count("traceparent"), 1U);
}

TEST(TraceContext, ForgetsAStateThatIsMalformedOrTooLong) {
    for (const std::string& state : {std::string("a"), std::string("A=1"), std::string("a=1=2"),
             "a=" + std::string(600, 'x')}) {
        http::Headers headers{{"traceparent", kGood}, {"tracestate", state}};
        EXPECT_EQ(continue_trace(headers, {}).context.trace_id, kTrace);
        EXPECT_FALSE(headers.contains("tracestate")) << state;
    }
}

TEST(TraceContext, IsPickedAtTheRateAndByItsIdAlone) {
    int picked = 0;
    for (int index = 0; index < 2000; ++index) {
        http::Headers headers;
        const auto span = continue_trace(headers, {.per_thousand = 500});
        EXPECT_EQ(
            span.context.sampled, TraceSampling{.per_thousand = 500}.picks(span.context.trace_id));
        picked += span.context.sampled ? 1 : 0;
        EXPECT_TRUE(TraceSampling{.per_thousand = 1000}.picks(span.context.trace_id));
        EXPECT_FALSE(TraceSampling{.per_thousand = 0}.picks(span.context.trace_id));
    }
    // Six standard deviations.
    EXPECT_NEAR(picked, 1000, 135);
}

}  // namespace
}  // namespace decloud::net
