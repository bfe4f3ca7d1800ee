#pragma once

#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <toml++/toml.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::policy::internal {

/// invalid_input: "policy.toml:12: why".
[[nodiscard]] std::unexpected<Error> wrong_at(
    std::string_view source, std::uint32_t line, std::string_view why);

/// Reads one table key by key and refuses what nobody asked for; each error has file and line. The
/// table outlives it.
class Table {
  public:
    Table(const toml::table& table, std::string_view source, std::uint32_t line)
        : table_(table), source_(source), line_(line) {}

    [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
    [[nodiscard]] bool is_table(std::string_view key) const { return table_[key].is_table(); }
    [[nodiscard]] std::uint32_t line() const { return line_; }
    [[nodiscard]] std::uint32_t line_of(std::string_view key) const;
    /// A text as it is, or a list's first; empty if there is none.
    [[nodiscard]] std::string written(std::string_view key) const;

    /// Each leaves `out` alone if the key is missing.
    [[nodiscard]] Result<void> text(std::string_view key, std::string& out);
    [[nodiscard]] Result<void> flag(std::string_view key, bool& out);
    [[nodiscard]] Result<void> number(
        std::string_view key, std::uint64_t& out, std::uint64_t most = kMost);
    [[nodiscard]] Result<void> number(
        std::string_view key, std::optional<std::uint32_t>& out, std::uint64_t most);
    /// A whole number, or one in quotes if it is very large.
    [[nodiscard]] Result<void> amount(std::string_view key, Amount& out);
    /// A table of amounts by names of any kind, at most `most`; they replace what `out` has.
    [[nodiscard]] Result<void> amounts(
        std::string_view key, std::map<std::string, Amount, std::less<>>& out, std::size_t most);
    /// "90s", "5m", "12h", "30d".
    [[nodiscard]] Result<void> duration(std::string_view key, std::chrono::seconds& out);
    /// One text or a list of texts, at most `most`.
    [[nodiscard]] Result<void> texts(
        std::string_view key, std::vector<std::string>& out, std::size_t most);
    /// A table, handed to `read`; its unknown keys are then refused.
    [[nodiscard]] Result<void> section(
        std::string_view key, const std::function<Result<void>(Table&)>& read);
    /// A list of tables, or (unless `only_list`) one table.
    [[nodiscard]] Result<void> sections(std::string_view key,
        std::size_t most,
        bool only_list,
        const std::function<Result<void>(Table&)>& read);
    /// Every table of a table of tables.
    [[nodiscard]] Result<void> named_sections(std::string_view key,
        const std::function<Result<void>(const std::string& name, Table&)>& read);

    /// Refuses keys that were not read.
    [[nodiscard]] Result<void> finish() const;
    [[nodiscard]] std::unexpected<Error> wrong(std::string_view key, std::string_view why) const;

    static constexpr std::uint64_t kMost = 1'000'000'000'000'000'000;

  private:
    [[nodiscard]] const toml::node* find(std::string_view key);
    [[nodiscard]] Result<void> read_table(
        const toml::node& node, const std::function<Result<void>(Table&)>& read) const;

    const toml::table& table_;
    std::string_view source_;
    std::uint32_t line_;
    std::set<std::string, std::less<>> known_;
};

/// "90s", "5m", "12h", "30d", at most 100 years. Error: invalid_input.
[[nodiscard]] Result<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace decloud::policy::internal
