#include "units.hpp"

#include <algorithm>

namespace decloud::services {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kThousand = 1000;

std::uint64_t divide_up(std::uint64_t number, std::uint64_t by) { return (number + by - 1) / by; }

/// Thousandths of processors that a run may use at the same time.
std::uint64_t processors(const sandbox::Limits& limits) {
    return std::max<std::uint64_t>(limits.cpu_millis, 1);
}

std::uint64_t mebibytes(const sandbox::Limits& limits) {
    return std::max<std::uint64_t>(divide_up(limits.memory_bytes, kMiB), 1);
}

/// In thousandths.
std::uint64_t gib_seconds(const sandbox::Limits& limits, milliseconds time) {
    return divide_up(mebibytes(limits) * static_cast<std::uint64_t>(time.count()), kKiB);
}

std::uint64_t cpu_seconds(const sandbox::Limits& limits, milliseconds time) {
    return divide_up(processors(limits) * static_cast<std::uint64_t>(time.count()), kThousand);
}

}  // namespace

sandbox::Limits limits_within(sandbox::Limits limits, const protocol::Quote* quote) {
    if (quote == nullptr) {
        return limits;
    }
    // More than a year of either is no bound.
    constexpr std::uint64_t kMostSeconds = 31'536'000;
    const auto bound = [&](const char* unit, std::uint64_t milliseconds_a_second) {
        const auto found = quote->units.find(unit);
        if (found != quote->units.end() && found->second <= kMostSeconds) {
            limits.wall =
                std::min(limits.wall, milliseconds(found->second * milliseconds_a_second));
        }
    };
    bound(kCpuSecond, kThousand * kThousand / processors(limits));
    bound(kGibSecond, kThousand * kKiB / mebibytes(limits));
    // Nothing runs in no time: what needs more than was quoted is then refused.
    limits.wall = std::max(limits.wall, milliseconds(1));
    return limits;
}

protocol::UnitCounts most_units(const sandbox::Limits& limits) {
    return {{"call", 1}, {kCpuSecond, divide_up(cpu_seconds(limits, limits.wall), kThousand)},
        {kGibSecond, divide_up(gib_seconds(limits, limits.wall), kThousand)}};
}

protocol::UnitThousandths delivered_units(
    const sandbox::Limits& limits, const sandbox::Outcome& outcome, RunTime time) {
    const milliseconds took = std::min(time.took, limits.wall);
    const std::uint64_t most = cpu_seconds(limits, limits.wall);
    const auto measured = std::chrono::ceil<milliseconds>(outcome.cpu);
    const std::uint64_t cpu =
        time.is_server ? cpu_seconds(limits, took) : static_cast<std::uint64_t>(measured.count());
    return {{"call", kThousand}, {kCpuSecond, std::min(cpu, most)},
        {kGibSecond, gib_seconds(limits, took)}};
}

}  // namespace decloud::services
