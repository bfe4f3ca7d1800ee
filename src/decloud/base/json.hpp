#pragma once

#include "result.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace decloud::json {

/// Any JSON value.
using Value = boost::json::value;
/// A JSON object, its members in the order of insertion.
using Object = boost::json::object;
/// A JSON array.
using Array = boost::json::array;

/// How much a stranger's JSON may hold.
struct Limits {
    std::size_t max_bytes = 1U << 20U;
    std::size_t max_depth = 32;
};

/// Strict RFC 8259; duplicate keys are refused. Errors: invalid_input, limit_exceeded.
[[nodiscard]] Result<Value> parse(std::string_view text, Limits limits = {});

/// RFC 8785 (JSON Canonicalization Scheme). Numbers must be integers of magnitude up to 2⁵³; larger
/// ones travel as decimal strings. Error: invalid_input for another number or text that is not
/// UTF-8.
[[nodiscard]] Result<std::string> canonical(const Value& value);

/// Compact text in the order of insertion, for answers where no signature depends on the bytes.
[[nodiscard]] std::string to_text(const Value& value);

/// Members of an object by type. Errors: invalid_input naming the member.
[[nodiscard]] Result<std::string> string_member(const Object& object, std::string_view name);
[[nodiscard]] Result<std::uint64_t> uint_member(const Object& object, std::string_view name);
[[nodiscard]] Result<Object> object_member(const Object& object, std::string_view name);
[[nodiscard]] Result<Array> array_member(const Object& object, std::string_view name);
[[nodiscard]] Result<bool> bool_member(const Object& object, std::string_view name);

}  // namespace decloud::json
