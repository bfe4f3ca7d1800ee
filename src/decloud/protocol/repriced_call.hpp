#pragma once

#include "service.hpp"

#include <memory>
#include <optional>

namespace decloud::protocol {

/// `call` at another price than its own: at most `most`. If it tells what it has counted, that is
/// charged by `rates`; else what is charged changes in proportion, so that half of its own price is
/// half of `most`.
[[nodiscard]] std::unique_ptr<PreparedCall> make_repriced_call(
    std::unique_ptr<PreparedCall> call, Amount most, PriceModel rates = {});

/// What a call that has counted so much costs, each unit's part rounded up; none if `units` do not
/// tell of a unit that is charged for.
[[nodiscard]] std::optional<Amount> charge_for(
    const PriceModel& rates, const UnitThousandths& units);

}  // namespace decloud::protocol
