#pragma once

#include "../rule.hpp"

#include <decloud/base/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::policy::internal {

/// Reads a file that a policy names: its name as written there, and the most bytes.
using ReadFile = std::function<Result<std::string>(const std::string& name, std::uint64_t most)>;

/// Texts of a list, all in their one spelling, in memory that they bring along.
struct Texts {
    std::vector<std::unique_ptr<std::string>> memory;
    std::vector<std::string_view> texts;
};

/// Content that a rule denies: keys as `content_key`, normalised addresses, names.
struct BarredContent {
    std::uint32_t rule = 0;
    std::vector<std::string> cids;
    std::vector<std::string> owners;
    std::vector<std::string> names;
};

/// What stands in a policy's files, valid and not yet indexed.
struct PolicyText {
    Access standard = Access::allow;
    std::vector<Rule> rules;
    /// By `Rule::group`.
    std::vector<Texts> groups;
    std::vector<BarredContent> barred;
};

/// Errors: invalid_input and limit_exceeded with file and line; `read_file`'s.
[[nodiscard]] Result<PolicyText> parse_policy_text(
    std::string_view text, std::string_view source, const ReadFile& read_file);

}  // namespace decloud::policy::internal
