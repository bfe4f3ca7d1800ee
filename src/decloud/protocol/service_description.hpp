#pragma once

#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::protocol {

/// Something that a service counts, so that what was promised and what was delivered can be
/// compared.
struct UnitDescription {
    /// "call", "request-kib", …
    std::string name;
    std::string description;
};

/// What a method costs: `base`, and so much for each unit.
struct PriceModel {
    AssetId currency;
    Amount base;
    std::map<std::string, Amount, std::less<>> per_unit{};
    /// What a call costs at least.
    Amount least{};
};

/// One method of a service, as `methods` and the OpenAPI description tell it.
struct MethodDescription {
    std::string name;
    std::string summary;
    /// JSON Schema of the array of arguments.
    json::Object arguments{};
    /// Media types of the body and of the answer; an empty one: no body.
    std::string request{};
    std::string response = "application/json";
    PriceModel price{};
    /// The unit by which its work is measured.
    std::string unit = "call";
};

/// What a service says of itself.
struct ServiceDescription {
    std::string name;
    std::string version = "1";
    std::string summary{};
    std::vector<UnitDescription> units{};
    std::vector<MethodDescription> methods{};

    /// Null if there is none. Lives as long as this object.
    [[nodiscard]] const MethodDescription* find(std::string_view method) const;
};

/// A schema for exactly these arguments, all strings, the first `required` of them needed.
[[nodiscard]] json::Object arguments_schema(
    const std::vector<std::string>& descriptions, std::size_t required);

/// How much of each unit.
using UnitCounts = std::map<std::string, std::uint64_t, std::less<>>;

/// Of one unit; a call counts once if nothing is said, anything else not at all.
[[nodiscard]] std::uint64_t count_of(const UnitCounts& units, std::string_view unit);

/// How much of each unit, in thousandths of it.
using UnitThousandths = std::map<std::string, std::uint64_t, std::less<>>;

/// `{"currency", "base", "least", "perUnit": {unit: amount}}`, as `methods` and quotes tell it.
[[nodiscard]] json::Object to_json(const PriceModel& price);

/// base + Σ price × count, at least `least`. Errors: invalid_input for a unit without a price,
/// limit_exceeded.
[[nodiscard]] Result<Amount> price_of(const PriceModel& price, const UnitCounts& units);

}  // namespace decloud::protocol
