#include "ipld.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace decloud::multiformats {

namespace {

constexpr std::string_view kReserved = "/";

std::unexpected<Error> bad(std::string_view problem) {
    return fail(CommonError::invalid_input, "dag-json: " + std::string(problem));
}

/// Base64 of RFC 4648 §4 without padding.
std::string unpadded(BytesView bytes) {
    std::string text = to_base64(bytes);
    text.resize(text.find_last_not_of('=') + 1);
    return text;
}

Result<IpldValue> read_bytes(const json::Object& inner) {
    const json::Value* const text = inner.if_contains("bytes");
    if (inner.size() != 1 || text == nullptr || !text->is_string()) {
        return bad("a reserved map that is neither a link nor bytes");
    }
    std::string digits(text->get_string());
    digits.append((4 - digits.size() % 4) % 4, '=');
    TRY(Bytes bytes, from_base64(digits));
    return IpldValue{std::move(bytes)};
}

Result<IpldValue> read_reserved(const json::Object& object) {
    const json::Value& inner = object.at(kReserved);
    if (object.size() != 1) {
        return bad("the key \"/\" beside others");
    }
    if (inner.is_string()) {
        TRY(Cid cid, Cid::parse(inner.get_string()));
        return IpldValue{std::move(cid)};
    }
    return inner.is_object() ? read_bytes(inner.get_object())
                             : bad("a reserved map that is neither a link nor bytes");
}

// As deep as `json::parse` allowed.
// NOLINTNEXTLINE(misc-no-recursion)
Result<IpldValue> convert(const json::Value& value) {
    switch (value.kind()) {
        case boost::json::kind::null:
            return IpldValue{nullptr};
        case boost::json::kind::bool_:
            return IpldValue{value.get_bool()};
        case boost::json::kind::int64: {
            const std::int64_t number = value.get_int64();
            if (number < 0) {
                return IpldValue{IpldValue::Negative{static_cast<std::uint64_t>(-(number + 1))}};
            }
            return IpldValue{static_cast<std::uint64_t>(number)};
        }
        case boost::json::kind::uint64:
            return IpldValue{value.get_uint64()};
        case boost::json::kind::double_:
            return std::isfinite(value.get_double())
                       ? Result<IpldValue>(IpldValue{value.get_double()})
                       : bad("a number that is larger than any float");
        case boost::json::kind::string:
            return IpldValue{std::string(value.get_string())};
        case boost::json::kind::array: {
            IpldValue::List out;
            for (const json::Value& each : value.get_array()) {
                TRY(IpldValue element, convert(each));
                out.push_back(std::move(element));
            }
            return IpldValue{std::move(out)};
        }
        case boost::json::kind::object:
            break;
    }
    if (value.get_object().contains(kReserved)) {
        return read_reserved(value.get_object());
    }
    IpldValue::Map out;
    for (const auto& [key, each] : value.get_object()) {
        TRY(IpldValue element, convert(each));
        out.emplace_back(std::string(key), std::move(element));
    }
    return IpldValue{std::move(out)};
}

std::string quoted_text(std::string_view text) { return json::to_text(json::Value(text)); }

/// Writes one value; those inside it by recursion as deep as the value is.
struct Encoder {
    std::string& out;

    void operator()(std::nullptr_t /*value*/) const { out += "null"; }
    void operator()(bool value) const { out += value ? "true" : "false"; }
    void operator()(std::uint64_t value) const { out += std::to_string(value); }
    void operator()(IpldValue::Negative value) const {
        // The least one, -2⁶⁴, has one digit more than fits.
        out += value.rest == ~std::uint64_t{0} ? "-18446744073709551616"
                                               : "-" + std::to_string(value.rest + 1);
    }
    void operator()(double value) const {
        std::string text = fmt::format("{}", value);
        // fmt writes exponents with two digits or more, others with as few as there are.
        if (const std::size_t e = text.find('e'); e != std::string::npos && text[e + 2] == '0') {
            text.erase(e + 2, 1);
        }
        out += text;
        if (text.find_first_of(".e") == std::string::npos) {
            out += ".0";
        }
    }
    void operator()(const std::string& value) const { out += quoted_text(value); }
    void operator()(const Bytes& value) const {
        out += R"({"/":{"bytes":")" + unpadded(value) + R"("}})";
    }
    void operator()(const Cid& value) const { out += R"({"/":")" + value.to_string() + R"("})"; }
    // NOLINTNEXTLINE(misc-no-recursion)
    void operator()(const IpldValue::List& value) const {
        char separator = '[';
        for (const IpldValue& each : value) {
            out += separator;
            std::visit(*this, each.value);
            separator = ',';
        }
        out += value.empty() ? "[]" : "]";
    }
    // NOLINTNEXTLINE(misc-no-recursion)
    void operator()(const IpldValue::Map& value) const {
        std::vector<const IpldValue::Map::value_type*> sorted;
        for (const auto& entry : value) {
            sorted.push_back(&entry);
        }
        std::ranges::sort(sorted, [](const auto* a, const auto* b) { return a->first < b->first; });
        char separator = '{';
        for (const auto* entry : sorted) {
            out += separator;
            out += quoted_text(entry->first) + ":";
            std::visit(*this, entry->second.value);
            separator = ',';
        }
        out += value.empty() ? "{}" : "}";
    }
};

}  // namespace

Result<IpldValue> decode_dag_json(BytesView input, IpldLimits limits) {
    TRY(const json::Value value, json::parse(as_text(input), {.max_bytes = limits.max_bytes,
                                                                 .max_depth = limits.max_depth}));
    return convert(value);
}

std::string encode_dag_json(const IpldValue& value) {
    std::string out;
    std::visit(Encoder{out}, value.value);
    return out;
}

}  // namespace decloud::multiformats
