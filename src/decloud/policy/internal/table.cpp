#include "table.hpp"

#include <fmt/format.h>

#include <charconv>

namespace decloud::policy::internal {

namespace {

constexpr std::size_t kLongestName = 64;

}  // namespace

std::unexpected<Error> wrong_at(std::string_view source, std::uint32_t line, std::string_view why) {
    return fail(CommonError::invalid_input, fmt::format("{}:{}: {}", source, line, why));
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
    constexpr std::uint64_t kHundredYears = 36'525ULL * 86'400;
    std::uint64_t count = 0;
    const auto [rest, error] = std::from_chars(text.begin(), text.end(), count);
    std::uint64_t factor = 0;
    if (error == std::errc() && text.end() - rest == 1) {
        switch (*rest) {
            case 's':
                factor = 1;
                break;
            case 'm':
                factor = 60;
                break;
            case 'h':
                factor = 3600;
                break;
            case 'd':
                factor = 86'400;
                break;
            default:
                break;
        }
    }
    if (factor == 0 || count > kHundredYears / factor) {
        return fail(CommonError::invalid_input, "must be a time such as \"90s\", \"12h\", \"30d\"");
    }
    return std::chrono::seconds(count * factor);
}

const toml::node* Table::find(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
}

std::uint32_t Table::line_of(std::string_view key) const {
    const toml::node* node = table_.get(key);
    return node == nullptr ? line_ : node->source().begin.line;
}

std::string Table::written(std::string_view key) const {
    const toml::node* node = table_.get(key);
    if (node != nullptr && node->is_array() && !node->as_array()->empty()) {
        node = node->as_array()->get(0);
    }
    return node != nullptr && node->is_string() ? node->as_string()->get() : std::string();
}

std::unexpected<Error> Table::wrong(std::string_view key, std::string_view why) const {
    return wrong_at(source_, line_of(key), fmt::format("\"{}\": {}", key, why));
}

Result<void> Table::text(std::string_view key, std::string& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_string() || node->as_string()->get().size() > 1024) {
        return wrong(key, "must be a text in quotes of at most 1024 bytes");
    }
    out = node->as_string()->get();
    return {};
}

Result<void> Table::flag(std::string_view key, bool& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_boolean()) {
        return wrong(key, "must be true or false");
    }
    out = node->as_boolean()->get();
    return {};
}

Result<void> Table::number(std::string_view key, std::uint64_t& out, std::uint64_t most) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_integer() || node->as_integer()->get() < 0 ||
        static_cast<std::uint64_t>(node->as_integer()->get()) > most) {
        return wrong(key, fmt::format("must be a whole number from 0 to {}", most));
    }
    out = static_cast<std::uint64_t>(node->as_integer()->get());
    return {};
}

Result<void> Table::number(
    std::string_view key, std::optional<std::uint32_t>& out, std::uint64_t most) {
    if (!has(key)) {
        return {};
    }
    std::uint64_t value = 0;
    TRY_VOID(number(key, value, most));
    out = static_cast<std::uint32_t>(value);
    return {};
}

Result<void> Table::amount(std::string_view key, Amount& out) {
    const toml::node* node = table_.get(key);
    if (node == nullptr || !node->is_string()) {
        std::uint64_t value = 0;
        TRY_VOID(number(key, value));
        if (node != nullptr) {
            out = Amount(value);
        }
        return {};
    }
    std::string digits;
    TRY_VOID(text(key, digits));
    const auto parsed = parse_amount(digits);
    if (!parsed) {
        return wrong(key, "must be a whole number of the currency's smallest unit");
    }
    out = *parsed;
    return {};
}

Result<void> Table::amounts(
    std::string_view key, std::map<std::string, Amount, std::less<>>& out, std::size_t most) {
    return section(key, [&](Table& inner) -> Result<void> {
        out.clear();
        for (const auto& [name, node] : inner.table_) {
            if (out.size() == most || name.str().size() > kLongestName) {
                return inner.wrong(name.str(), "is one unit too many, or too long a name");
            }
            TRY_VOID(inner.amount(name.str(), out[std::string(name.str())]));
        }
        return {};
    });
}

Result<void> Table::duration(std::string_view key, std::chrono::seconds& out) {
    if (!has(key)) {
        return {};
    }
    std::string value;
    TRY_VOID(text(key, value));
    const auto parsed = parse_duration(value);
    if (!parsed) {
        return wrong(key, parsed.error().detail());
    }
    out = *parsed;
    return {};
}

Result<void> Table::texts(std::string_view key, std::vector<std::string>& out, std::size_t most) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (node->is_string()) {
        out = {node->as_string()->get()};
        return {};
    }
    const toml::array* list = node->as_array();
    if (list == nullptr || list->empty() || list->size() > most) {
        return wrong(key, fmt::format("must be a text or a list of 1 to {} texts", most));
    }
    out.reserve(list->size());
    for (const toml::node& entry : *list) {
        if (!entry.is_string()) {
            return wrong_at(source_, entry.source().begin.line,
                fmt::format("\"{}\": must be a list of texts", key));
        }
        out.push_back(entry.as_string()->get());
    }
    return {};
}

Result<void> Table::read_table(
    const toml::node& node, const std::function<Result<void>(Table&)>& read) const {
    const std::uint32_t line = node.source().begin.line;
    if (!node.is_table()) {
        return wrong_at(source_, line, "must be a table");
    }
    Table inner(*node.as_table(), source_, line);
    TRY_VOID(read(inner));
    return inner.finish();
}

Result<void> Table::section(std::string_view key, const std::function<Result<void>(Table&)>& read) {
    const toml::node* node = find(key);
    return node == nullptr ? Result<void>{} : read_table(*node, read);
}

Result<void> Table::sections(std::string_view key,
    std::size_t most,
    bool only_list,
    const std::function<Result<void>(Table&)>& read) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (node->is_table() && !only_list) {
        return read_table(*node, read);
    }
    const toml::array* list = node->as_array();
    if (list == nullptr || list->size() > most) {
        return wrong(key, fmt::format("must be a list of at most {} tables", most));
    }
    for (const toml::node& entry : *list) {
        TRY_VOID(read_table(entry, read));
    }
    return {};
}

Result<void> Table::named_sections(std::string_view key,
    const std::function<Result<void>(const std::string& name, Table&)>& read) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_table()) {
        return wrong(key, "must be a table");
    }
    for (const auto& entry : *node->as_table()) {
        const std::string name(entry.first.str());
        TRY_VOID(
            read_table(entry.second, [&read, &name](Table& table) { return read(name, table); }));
    }
    return {};
}

Result<void> Table::finish() const {
    for (const auto& [key, node] : table_) {
        if (!known_.contains(key.str())) {
            return wrong_at(
                source_, key.source().begin.line, fmt::format("unknown key \"{}\"", key.str()));
        }
    }
    return {};
}

}  // namespace decloud::policy::internal
