#include "bounds.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace decloud::simulation {

std::optional<Bound> bound_named(std::string_view name) {
    for (const auto& [known, bound] : kBounds) {
        if (known == name) {
            return bound;
        }
    }
    return std::nullopt;
}

std::string_view name_of(Bound bound) {
    const auto found =
        std::ranges::find(kBounds, bound, &std::pair<std::string_view, Bound>::second);
    return found->first;
}

void Bounds::see(Bound bound, Amount value, Amount limit, const std::string& where) {
    Seen& seen = seen_[bound];
    seen.values.push_back(value);
    seen.limit = std::max(seen.limit, limit);
    if (value > limit && !broken_) {
        broken_ = {
            bound, fmt::format("{} of at most {}, {}", to_string(value), to_string(limit), where)};
    }
}

std::string Bounds::distribution() const {
    std::string out;
    for (const auto& [bound, seen] : seen_) {
        std::vector<Amount> values = seen.values;
        std::ranges::sort(values);
        const auto at = [&](std::size_t percent) {
            return to_string(values[(values.size() - 1) * percent / 100]);
        };
        out += fmt::format("  # {:10} {:>7} times seen: median {}, p99 {}, most {}, limit {}\n",
            name_of(bound), values.size(), at(50), at(99), at(100), to_string(seen.limit));
    }
    return out;
}

}  // namespace decloud::simulation
