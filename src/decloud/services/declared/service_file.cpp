#include "service_file.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>

namespace decloud::services {

namespace {

constexpr std::size_t kMaxFileBytes = 256 * 1024;
constexpr std::size_t kMaxMethods = 64;
constexpr std::size_t kMaxArguments = 32;
constexpr std::array<std::string_view, 2> kStandard{"calc", "sha256"};

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
           std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
           });
}

/// Reads one table and remembers what was asked for.
class Section {
  public:
    Section(const toml::table& table, std::string source, std::string place)
        : table_(table), source_(std::move(source)), place_(std::move(place)) {}

    [[nodiscard]] std::unexpected<Error> wrong(std::string_view key, std::string_view why) const {
        const toml::node* node = table_.get(key);
        const auto& region = node == nullptr ? table_.source() : node->source();
        return fail(CommonError::invalid_input,
            fmt::format("{}:{}: \"{}{}\" {}", source_, region.begin.line, place_, key, why));
    }

    [[nodiscard]] Result<void> text(std::string_view key, std::string& out) {
        known_.emplace_back(key);
        const toml::node* node = table_.get(key);
        if (node == nullptr) {
            return {};
        }
        const auto value = node->value_exact<std::string>();
        if (!value || value->size() > 4096) {
            return wrong(key, "must be a text in quotes of at most 4096 bytes");
        }
        out = *value;
        return {};
    }

    [[nodiscard]] Result<void> amount(std::string_view key, Amount& out) {
        std::string value;
        TRY_VOID(text(key, value));
        if (value.empty()) {
            return {};
        }
        const auto parsed = parse_usdc(value);
        if (!parsed) {
            return wrong(key, "must be an amount such as \"0.001\"");
        }
        out = *parsed;
        return {};
    }

    [[nodiscard]] Result<const toml::table*> table(std::string_view key) {
        known_.emplace_back(key);
        const toml::node* node = table_.get(key);
        if (node != nullptr && !node->is_table()) {
            return wrong(key, "must be a table");
        }
        return node == nullptr ? nullptr : node->as_table();
    }

    [[nodiscard]] Result<void> texts(std::string_view key, std::vector<std::string>& out) {
        known_.emplace_back(key);
        const toml::node* node = table_.get(key);
        if (node == nullptr) {
            return {};
        }
        const toml::array* list = node->as_array();
        if (list == nullptr || list->size() > kMaxArguments) {
            return wrong(key, "must be a list of at most 32 texts");
        }
        for (const toml::node& each : *list) {
            const auto value = each.value_exact<std::string>();
            if (!value) {
                return wrong(key, "must be a list of texts");
            }
            out.push_back(*value);
        }
        return {};
    }

    [[nodiscard]] Result<void> number(std::string_view key, std::size_t& out) {
        known_.emplace_back(key);
        const toml::node* node = table_.get(key);
        if (node == nullptr) {
            return {};
        }
        const auto value = node->value_exact<std::int64_t>();
        if (!value || *value < 0 || *value > 1'000'000) {
            return wrong(key, "must be a number");
        }
        out = static_cast<std::size_t>(*value);
        return {};
    }

    /// Refuses keys that nobody asked for.
    [[nodiscard]] Result<void> end() const {
        for (const auto& [key, value] : table_) {
            if (std::ranges::find(known_, key.str()) == known_.end()) {
                return wrong(key.str(), "is not known");
            }
        }
        return {};
    }

  private:
    const toml::table& table_;
    std::string source_;
    std::string place_;
    std::vector<std::string> known_;
};

Result<DeclaredMethod> read_method(
    const std::string& name, const toml::table& table, const std::string& source) {
    DeclaredMethod method{.name = name};
    Section section(table, source, "methods." + name + ".");
    if (!is_word(name) || name == "info" || name == "methods" || name == "quote") {
        return section.wrong("",
            "is no name for a method: letters, digits, - and _, and not info, "
            "methods or quote, which every service has");
    }
    TRY_VOID(section.text("summary", method.summary));
    TRY_VOID(section.texts("arguments", method.arguments));
    method.required = method.arguments.size();
    TRY_VOID(section.number("required", method.required));
    if (method.required > method.arguments.size()) {
        return section.wrong("required", "is more than there are arguments");
    }
    TRY_VOID(section.text("request", method.request));
    TRY_VOID(section.text("response", method.response));
    TRY_VOID(section.amount("price", method.price));
    TRY_VOID(section.text("unit", method.unit));
    if (method.unit != "call" && method.unit != "request-kib") {
        return section.wrong("unit", "is \"call\" or \"request-kib\", what the node counts");
    }
    TRY(const toml::table* per_unit, section.table("per_unit"));
    if (per_unit != nullptr) {
        Section units(*per_unit, source, "methods." + name + ".per_unit.");
        for (const char* unit : {"call", "request-kib"}) {
            Amount amount;
            TRY_VOID(units.amount(unit, amount));
            if (!amount.is_zero()) {
                method.per_unit.emplace(unit, amount);
            }
        }
        TRY_VOID(units.end());
    }
    TRY_VOID(section.end());
    return method;
}

Result<void> read_backend(Section& section, ServiceFile& file, bool needed) {
    std::string deployment;
    std::string url;
    TRY_VOID(section.text("deployment", deployment));
    TRY_VOID(section.text("url", url));
    if (deployment.empty() == url.empty()) {
        return needed || !url.empty()
                   ? section.wrong(
                         "deployment", "or \"url\": one of the two says who answers the methods")
                   : Result<void>();
    }
    if (!deployment.empty()) {
        auto cid = multiformats::Cid::parse(deployment);
        if (!cid) {
            return section.wrong("deployment", "is no content id");
        }
        file.backend = std::move(*cid);
        return {};
    }
    auto parsed = net::parse_url(url);
    if (!parsed) {
        return section.wrong("url", parsed.error().detail());
    }
    file.backend = std::move(*parsed);
    return {};
}

Result<void> check_name(Section& section, const std::string& name, std::string_view provider) {
    if (is_standard_service(name)) {
        return {};
    }
    const std::size_t dot = name.find('.');
    const std::string_view owner =
        dot == std::string::npos ? std::string_view() : std::string_view(name).substr(dot + 1);
    const bool is_own = owner == provider || owner == provider.substr(0, provider.find('.'));
    if (dot == std::string::npos || !is_word(name.substr(0, dot)) || owner.empty() || !is_own) {
        return section.wrong(
            "name", fmt::format("must be a standard service (calc, sha256) or WORD.{}",
                        provider.substr(0, provider.find('.'))));
    }
    return {};
}

Result<ServiceFile> parse(
    std::string_view text, std::string_view source, std::string_view provider, bool is_draft) {
    if (text.size() > kMaxFileBytes) {
        return fail(CommonError::invalid_input, fmt::format("{}: over 256 KiB", source));
    }
    toml::table table;
    try {
        table = toml::parse(text, source);
    } catch (const toml::parse_error& error) {
        return fail(CommonError::invalid_input,
            fmt::format("{}:{}: {}", source, error.source().begin.line, error.description()));
    }
    const std::string name(source);
    Section section(table, name, "");
    ServiceFile file;
    TRY_VOID(section.text("name", file.name));
    TRY_VOID(check_name(section, file.name, provider));
    TRY_VOID(section.text("version", file.version));
    TRY_VOID(section.text("summary", file.summary));
    TRY_VOID(read_backend(section, file, !is_draft));
    TRY(const toml::table* units, section.table("units"));
    if (units != nullptr) {
        Section within(*units, name, "units.");
        for (const auto& [unit, value] : *units) {
            TRY_VOID(within.text(unit.str(), file.units[std::string(unit.str())]));
        }
    }
    TRY(const toml::table* methods, section.table("methods"));
    if (methods == nullptr || methods->empty() || methods->size() > kMaxMethods) {
        return section.wrong("methods", "must be 1 to 64 tables [methods.NAME]");
    }
    for (const auto& [key, value] : *methods) {
        if (!value.is_table()) {
            return section.wrong("methods", "must be tables [methods.NAME]");
        }
        TRY(DeclaredMethod method, read_method(std::string(key.str()), *value.as_table(), name));
        file.methods.push_back(std::move(method));
    }
    TRY_VOID(section.end());
    return file;
}

}  // namespace

bool is_standard_service(std::string_view name) {
    return std::ranges::find(kStandard, name) != kStandard.end();
}

Result<ServiceFile> parse_service_file(
    std::string_view text, std::string_view source, std::string_view provider) {
    return parse(text, source, provider, false);
}

Result<ServiceFile> parse_service_draft(
    std::string_view text, std::string_view source, std::string_view provider) {
    return parse(text, source, provider, true);
}

}  // namespace decloud::services
