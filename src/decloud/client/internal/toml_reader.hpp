#pragma once

#include <decloud/base/result.hpp>

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client::internal {

/// Reads one table key by key and refuses what nobody asked for. Every error names the file and the
/// line. The table outlives it.
class TomlReader {
  public:
    TomlReader(const toml::table& table, std::string source)
        : table_(table), source_(std::move(source)) {}

    /// Each leaves `out` alone if the key is missing.
    [[nodiscard]] Result<void> text(std::string_view key, std::string& out);
    [[nodiscard]] Result<void> number(std::string_view key, std::uint64_t& out);
    [[nodiscard]] Result<void> flag(std::string_view key, bool& out);
    [[nodiscard]] Result<void> texts(std::string_view key, std::vector<std::string>& out);
    /// A text that `parse` turns into something; its error is told with the line.
    [[nodiscard]] Result<void> parsed(
        std::string_view key, const std::function<Result<void>(const std::string&)>& parse);
    /// A table within, handed to `read`, whose unknown keys are then refused.
    [[nodiscard]] Result<void> section(
        std::string_view key, const std::function<Result<void>(TomlReader&)>& read);
    /// Every key with a text.
    [[nodiscard]] Result<void> all_texts(
        const std::function<Result<void>(const std::string& key, const std::string& value)>& visit);

    [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
    [[nodiscard]] bool is_text(std::string_view key) const;
    /// Refuses keys that were not read.
    [[nodiscard]] Result<void> finish() const;
    [[nodiscard]] std::unexpected<Error> wrong(std::string_view key, std::string_view why) const;

  private:
    [[nodiscard]] const toml::node* find(std::string_view key);

    const toml::table& table_;
    std::string source_;
    std::set<std::string, std::less<>> known_;
};

/// The file's table. Error: ClientError::usage with the line.
[[nodiscard]] Result<toml::table> parse_toml(std::string_view text, std::string_view source);

}  // namespace decloud::client::internal
