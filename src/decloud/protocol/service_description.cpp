#include "service_description.hpp"

#include <algorithm>

namespace decloud::protocol {

const MethodDescription* ServiceDescription::find(std::string_view method) const {
    const auto found = std::ranges::find(methods, method, &MethodDescription::name);
    return found == methods.end() ? nullptr : &*found;
}

json::Object arguments_schema(const std::vector<std::string>& descriptions, std::size_t required) {
    json::Array items;
    for (const std::string& description : descriptions) {
        items.emplace_back(json::Object{{"type", "string"}, {"description", description}});
    }
    json::Object schema{{"type", "array"}, {"minItems", required}, {"maxItems", items.size()}};
    if (!items.empty()) {
        schema["prefixItems"] = std::move(items);
    }
    return schema;
}

std::uint64_t count_of(const UnitCounts& units, std::string_view unit) {
    const auto found = units.find(unit);
    return found != units.end() ? found->second : unit == "call" ? 1 : 0;
}

json::Object to_json(const PriceModel& price) {
    json::Object per_unit;
    for (const auto& [unit, amount] : price.per_unit) {
        per_unit[unit] = to_string(amount);
    }
    return {{"currency", price.currency.text}, {"base", to_string(price.base)},
        {"least", to_string(price.least)}, {"perUnit", std::move(per_unit)}};
}

Result<Amount> price_of(const PriceModel& price, const UnitCounts& units) {
    Amount total = price.base;
    for (const auto& [unit, count] : units) {
        const auto found = price.per_unit.find(unit);
        if (found == price.per_unit.end()) {
            return fail(CommonError::invalid_input, "nothing is charged by \"" + unit + "\" here");
        }
        TRY(const Amount part, found->second.times(count));
        TRY(total, total.plus(part));
    }
    return std::max(total, price.least);
}

}  // namespace decloud::protocol
