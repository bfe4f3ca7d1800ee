#include "units.hpp"

#include <gtest/gtest.h>

namespace decloud::services {
namespace {

using namespace std::chrono_literals;

sandbox::Limits limits() {
    sandbox::Limits out;
    out.wall = 15s;
    out.memory_bytes = 256 * kMiB;
    out.cpu_millis = 2000;
    return out;
}

TEST(ComputeUnits, ARunMayCountWhatItsLimitsLet) {
    EXPECT_EQ(most_units(limits()),
        (protocol::UnitCounts{{"call", 1}, {"cpu-second", 30}, {"gib-second", 4}}));
}

TEST(ComputeUnits, AQuoteShortensARunToWhatItIsOf) {
    protocol::Quote quote;
    EXPECT_EQ(limits_within(limits(), &quote).wall, 15s) << "a unit without a bound";
    quote.units = {{"call", 1}, {"cpu-second", 8}};
    EXPECT_EQ(limits_within(limits(), &quote).wall, 4s);
    EXPECT_EQ(most_units(limits_within(limits(), &quote)).at("cpu-second"), 8U);
    quote.units["gib-second"] = 1;
    EXPECT_EQ(limits_within(limits(), &quote).wall, 4s);
    quote.units["cpu-second"] = 1000;
    EXPECT_EQ(limits_within(limits(), &quote).wall, 4s);
    quote.units["gib-second"] = 0;
    EXPECT_EQ(most_units(limits_within(limits(), &quote)).at("gib-second"), 1U)
        << "more than it is of, so that it is refused";
}

TEST(ComputeUnits, WhatWasDeliveredIsTheProcessorsTimeAndTheReservedMemorys) {
    sandbox::Outcome outcome;
    outcome.cpu = 1'500us;
    EXPECT_EQ(delivered_units(limits(), outcome, {.took = 4s}),
        (protocol::UnitThousandths{{"call", 1000}, {"cpu-second", 2}, {"gib-second", 1000}}));
    EXPECT_EQ(delivered_units(limits(), outcome, {.took = 4s, .is_server = true}).at("cpu-second"),
        8000U);
    outcome.cpu = 1h;
    EXPECT_EQ(delivered_units(limits(), outcome, {.took = 1h}),
        (protocol::UnitThousandths{{"call", 1000}, {"cpu-second", 30'000}, {"gib-second", 3750}}))
        << "never more than was held";
}

}  // namespace
}  // namespace decloud::services
