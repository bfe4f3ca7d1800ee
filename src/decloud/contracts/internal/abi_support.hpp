#pragma once

#include <decloud/contracts/abi_types.hpp>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

/// What generated code needs beside the codec.
namespace decloud::contracts::abi {

/// A stretch of code that the constructor fills in.
struct Range {
    std::size_t start;
    std::size_t length;
};

/// True if both are equally long and differ at most inside `holes`.
[[nodiscard]] bool equal_outside(
    BytesView expected, BytesView actual, std::span<const Range> holes);

/// Checks that a log entry is of the event `topic` and has this many indexed values.
[[nodiscard]] Result<void> check_topics(
    const EventLog& log, const Bytes32& topic, std::size_t indexed);

[[nodiscard]] bool is_error(BytesView data, const Selector& selector);

[[nodiscard]] std::string describe(bool value);
[[nodiscard]] std::string describe(Uint128 value);
[[nodiscard]] std::string describe(std::uint8_t value);
[[nodiscard]] std::string describe(std::uint64_t value);
[[nodiscard]] std::string describe(const Uint256& value);
[[nodiscard]] std::string describe(const Address& value);
[[nodiscard]] std::string describe(const Bytes32& value);
[[nodiscard]] std::string describe(std::string_view value);
[[nodiscard]] std::string describe(BytesView value);

[[nodiscard]] std::string joined(std::initializer_list<std::string_view> parts);

/// Solidity's own Error(string) and Panic(uint256), empty if `data` is neither.
[[nodiscard]] std::string describe_builtin_error(BytesView data);
/// For data that no contract here knows.
[[nodiscard]] std::string describe_unknown_error(BytesView data);

}  // namespace decloud::contracts::abi
