#include "toml_reader.hpp"

#include "../error.hpp"

#include <fmt/format.h>

namespace decloud::client::internal {

namespace {

std::unexpected<Error> at(
    std::string_view source, const toml::source_region& region, std::string_view why) {
    return fail(ClientError::usage, fmt::format("{}:{}: {}", source, region.begin.line, why));
}

}  // namespace

const toml::node* TomlReader::find(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
}

std::unexpected<Error> TomlReader::wrong(std::string_view key, std::string_view why) const {
    const toml::node* node = table_.get(key);
    return at(source_, node == nullptr ? table_.source() : node->source(),
        fmt::format("\"{}\": {}", key, why));
}

bool TomlReader::is_text(std::string_view key) const {
    const toml::node* node = table_.get(key);
    return node != nullptr && node->is_string();
}

Result<void> TomlReader::text(std::string_view key, std::string& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_string()) {
        return wrong(key, "must be a text in quotes");
    }
    out = node->as_string()->get();
    return {};
}

Result<void> TomlReader::number(std::string_view key, std::uint64_t& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_integer() || node->as_integer()->get() < 0) {
        return wrong(key, "must be a whole number, not negative");
    }
    out = static_cast<std::uint64_t>(node->as_integer()->get());
    return {};
}

Result<void> TomlReader::flag(std::string_view key, bool& out) {
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

Result<void> TomlReader::texts(std::string_view key, std::vector<std::string>& out) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_array()) {
        return wrong(key, "must be a list of texts");
    }
    out.clear();
    for (const toml::node& entry : *node->as_array()) {
        if (!entry.is_string()) {
            return wrong(key, "must be a list of texts");
        }
        out.push_back(entry.as_string()->get());
    }
    return {};
}

Result<void> TomlReader::parsed(
    std::string_view key, const std::function<Result<void>(const std::string&)>& parse) {
    if (find(key) == nullptr) {
        return {};
    }
    std::string value;
    TRY_VOID(text(key, value));
    if (auto result = parse(value); !result) {
        return wrong(key, result.error().detail());
    }
    return {};
}

Result<void> TomlReader::section(
    std::string_view key, const std::function<Result<void>(TomlReader&)>& read) {
    const toml::node* node = find(key);
    if (node == nullptr) {
        return {};
    }
    if (!node->is_table()) {
        return wrong(key, "must be a table");
    }
    TomlReader inner(*node->as_table(), source_);
    TRY_VOID(read(inner));
    return inner.finish();
}

Result<void> TomlReader::all_texts(
    const std::function<Result<void>(const std::string& key, const std::string& value)>& visit) {
    for (const auto& [key, node] : table_) {
        std::string value;
        TRY_VOID(text(key.str(), value));
        if (auto result = visit(std::string(key.str()), value); !result) {
            return wrong(key.str(), result.error().detail());
        }
    }
    return {};
}

Result<void> TomlReader::finish() const {
    for (const auto& [key, node] : table_) {
        if (!known_.contains(key.str())) {
            return at(source_, key.source(), fmt::format("unknown key \"{}\"", key.str()));
        }
    }
    return {};
}

Result<toml::table> parse_toml(std::string_view text, std::string_view source) {
    try {
        return toml::parse(text, source);
    } catch (const toml::parse_error& error) {
        return at(source, error.source(), error.description());
    }
}

}  // namespace decloud::client::internal
