#include "policy_file.hpp"

#include "../id.hpp"
#include "commands.hpp"
#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ranges>

namespace decloud::policy::internal {

namespace {

constexpr std::uint64_t kMostBytes = 64 * kMiB;
constexpr std::size_t kMostRules = 100'000;
constexpr std::size_t kMostGroups = 100'000;
constexpr std::size_t kMostIds = 4'000'000;
constexpr std::size_t kMostNames = 1000;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// Reads the document once; ids that a rule names itself become a group without a name.
class Parser {
  public:
    Parser(std::string_view source, const ReadFile& read_file)
        : source_(source), read_file_(read_file) {}

    Result<PolicyText> parse(const toml::table& document, std::uint64_t bytes) {
        bytes_ = bytes;
        Table table(document, source_, 1);
        std::string standard = "allow";
        TRY_VOID(table.text("default", standard));
        if (standard != "allow" && standard != "deny") {
            return table.wrong("default", "\"allow\" or \"deny\"");
        }
        out_.standard = standard == "deny" ? Access::deny : Access::allow;
        TRY_VOID(table.named_sections("group",
            [this](const std::string& name, Table& group) { return read_group(name, group); }));
        TRY_VOID(table.sections(
            "rule", kMostRules, true, [this](Table& rule) { return read_rule(rule); }));
        TRY_VOID(table.finish());
        return std::move(out_);
    }

  private:
    Result<void> read_group(const std::string& name, Table& table) {
        if (groups_.size() == kMostGroups) {
            return wrong_at(source_, table.line(), "too many groups");
        }
        Texts ids;
        TRY_VOID(read_ids(table, "ids", ids));
        std::string file;
        TRY_VOID(table.text("ids-file", file));
        if (!file.empty()) {
            TRY_VOID(read_ids_file(table, file, ids));
        }
        if (!table.has("ids") && file.empty()) {
            return table.wrong("ids", "ids or ids-file is missing");
        }
        groups_.emplace(name, static_cast<std::uint32_t>(out_.groups.size()));
        out_.groups.push_back(std::move(ids));
        return {};
    }

    Result<void> count_ids(std::size_t more, std::string_view source, std::uint32_t line) {
        ids_ += more;
        if (ids_ > kMostIds) {
            return wrong_at(source, line, fmt::format("more than {} ids", kMostIds));
        }
        return {};
    }

    Result<void> read_ids(Table& table, std::string_view key, Texts& out) {
        std::vector<std::string> texts;
        TRY_VOID(table.texts(key, texts, kMostIds));
        TRY_VOID(count_ids(texts.size(), source_, table.line_of(key)));
        for (std::string& text : texts) {
            auto owned = std::make_unique<std::string>(std::move(text));
            const auto id = normalise_id(*owned);
            if (!id) {
                return table.wrong(key, id.error().detail());
            }
            out.texts.push_back(*id);
            out.memory.push_back(std::move(owned));
        }
        return {};
    }

    Result<std::string> read_other(Table& table, const std::string& key, const std::string& name) {
        auto text = read_file_(name, kMostBytes - bytes_);
        if (!text) {
            return table.wrong(key, fmt::format("{}: {}", name, text.error().message()));
        }
        bytes_ += text->size();
        if (bytes_ > kMostBytes) {
            return table.wrong(
                key, fmt::format("{}: all files together are more than 64 MiB", name));
        }
        return std::move(*text);
    }

    /// Calls `take` with each line that says something, and its number.
    static Result<void> for_each_line(std::string& text,
        const std::function<Result<void>(std::string_view, std::uint32_t)>& take) {
        std::string_view rest(text);
        for (std::uint32_t line = 1; !rest.empty(); ++line) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            std::string_view content = rest.substr(0, end);
            content = trimmed(content.substr(0, content.find('#')));
            if (!content.empty()) {
                TRY_VOID(take(content, line));
            }
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        return {};
    }

    Result<void> read_ids_file(Table& table, const std::string& name, Texts& out) {
        TRY(std::string text, read_other(table, "ids-file", name));
        auto owned = std::make_unique<std::string>(std::move(text));
        TRY_VOID(
            for_each_line(*owned, [&](std::string_view line, std::uint32_t number) -> Result<void> {
                TRY_VOID(count_ids(1, name, number));
                const auto offset = static_cast<std::size_t>(line.data() - owned->data());
                const auto id = normalise_id(owned->data() + offset, line.size());
                if (!id) {
                    return wrong_at(name, number, id.error().detail());
                }
                out.texts.push_back(*id);
                return {};
            }));
        out.memory.push_back(std::move(owned));
        return {};
    }

    Result<void> read_rule(Table& table) {
        Rule rule;
        rule.line = table.line();
        rule.name = fmt::format("rule at line {}", rule.line);
        TRY_VOID(table.text("label", rule.name));
        TRY_VOID(read_what(table, rule));
        TRY_VOID(read_who(table, rule));
        TRY_VOID(read_commands(table, rule));
        TRY_VOID(read_content(table, rule));
        TRY_VOID(table.finish());
        bool any = false;
        for (std::size_t i = 0; i < kCommands; ++i) {
            any = any || rule.carries(static_cast<Command>(i));
        }
        if (!any) {
            return wrong_at(source_, rule.line,
                "a rule needs a command: allow, deny, min-payment, rate-limit, defer, max-work, "
                "require, price or accept");
        }
        rule.fingerprint = fingerprint(table, rule);
        out_.rules.push_back(std::move(rule));
        return {};
    }

    /// Of the scopes and the rate limit: whoever changes something else keeps the counts.
    static std::uint64_t fingerprint(const Table& table, const Rule& rule) {
        const RateLimit limit = rule.rate_limit.value_or(RateLimit{});
        return std::hash<std::string>{}(
            fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", fmt::join(rule.services, ","),
                fmt::join(rule.methods, ","), rule.kind, rule.band ? rule.band->at_least : 0,
                rule.band ? rule.band->below : 0, table.written("group") + table.written("id"),
                limit.per_second, limit.burst, limit.per_day, limit.per_client));
    }

    static Result<void> read_what(Table& table, Rule& rule) {
        TRY_VOID(table.texts("service", rule.services, kMostNames));
        TRY_VOID(table.texts("method", rule.methods, kMostNames));
        const auto check = [&](const char* key, std::vector<std::string>& names) -> Result<void> {
            for (std::string& name : names) {
                const auto good = normalise_name(name);
                if (!good || *good != name) {
                    return table.wrong(
                        key, fmt::format("\"{}\" is not a name", name.substr(0, 80)));
                }
            }
            std::ranges::sort(names);
            names.erase(std::ranges::unique(names).begin(), names.end());
            return {};
        };
        TRY_VOID(check("service", rule.services));
        TRY_VOID(check("method", rule.methods));
        if (!rule.methods.empty() && rule.services.empty()) {
            return table.wrong("method", "needs service beside it");
        }
        if (rule.services.size() * rule.methods.size() > kMostNames) {
            return table.wrong("method", fmt::format("more than {} methods", kMostNames));
        }
        return {};
    }

    Result<void> read_who(Table& table, Rule& rule) {
        TRY_VOID(table.text("kind", rule.kind));
        if (table.has("kind")) {
            const auto kind = normalise_name(rule.kind);
            if (!kind) {
                return table.wrong("kind", kind.error().detail());
            }
            rule.kind = *kind;
        }
        TRY_VOID(read_band(table, rule.band));
        std::string group;
        TRY_VOID(table.text("group", group));
        if (table.has("group") && table.has("id")) {
            return table.wrong("id", "a rule names id or group, not both");
        }
        if (table.has("group")) {
            const auto known = groups_.find(group);
            if (known == groups_.end()) {
                return table.wrong("group", fmt::format("there is no [group.{}]", group));
            }
            rule.group = known->second;
        }
        if (table.has("id")) {
            Texts ids;
            TRY_VOID(read_ids(table, "id", ids));
            rule.group = static_cast<std::uint32_t>(out_.groups.size());
            out_.groups.push_back(std::move(ids));
        }
        return {};
    }

    Result<void> read_content(Table& table, Rule& rule) {
        BarredContent barred;
        barred.rule = static_cast<std::uint32_t>(out_.rules.size());
        TRY_VOID(read_spelled(table, "cid", content_key, barred.cids));
        TRY_VOID(read_spelled(table, "owner", normalise_owner, barred.owners));
        TRY_VOID(read_spelled(table, "name", normalise_name, barred.names));
        std::string file;
        TRY_VOID(table.text("cids-file", file));
        if (!file.empty()) {
            TRY(std::string text, read_other(table, "cids-file", file));
            TRY_VOID(for_each_line(
                text, [&](std::string_view line, std::uint32_t number) -> Result<void> {
                    TRY_VOID(count_ids(1, file, number));
                    auto key = content_key(line);
                    if (!key) {
                        return wrong_at(file, number, key.error().detail());
                    }
                    barred.cids.push_back(std::move(*key));
                    return {};
                }));
        }
        if (barred.cids.empty() && barred.owners.empty() && barred.names.empty()) {
            return {};
        }
        const bool only_deny =
            rule.access == Access::deny && rule.who_level() == WhoLevel::anybody &&
            rule.services.empty() &&
            std::ranges::none_of(std::views::iota(1U, unsigned{kCommands}),
                [&](unsigned command) { return rule.carries(static_cast<Command>(command)); });
        if (!only_deny) {
            return wrong_at(source_, rule.line,
                "cid, owner and name go with deny = true alone: content is denied to everybody");
        }
        rule.bars_content = true;
        out_.barred.push_back(std::move(barred));
        return {};
    }

    static Result<std::string> normalise_owner(std::string_view text) {
        std::string copy(text);
        TRY(const std::string_view id, normalise_id(copy));
        if (kind_of(id) != "ethereum") {
            return fail(CommonError::invalid_input, "an owner is an address: 0x and 40 hex digits");
        }
        return std::string(id);
    }

    Result<void> read_spelled(Table& table,
        std::string_view key,
        const std::function<Result<std::string>(std::string_view)>& spell,
        std::vector<std::string>& out) {
        std::vector<std::string> texts;
        TRY_VOID(table.texts(key, texts, kMostIds));
        TRY_VOID(count_ids(texts.size(), source_, table.line_of(key)));
        for (const std::string& text : texts) {
            auto spelled = spell(text);
            if (!spelled) {
                return table.wrong(key, spelled.error().detail());
            }
            out.push_back(std::move(*spelled));
        }
        return {};
    }

    std::string_view source_;
    const ReadFile& read_file_;
    std::uint64_t bytes_ = 0;
    std::size_t ids_ = 0;
    std::map<std::string, std::uint32_t, std::less<>> groups_;
    PolicyText out_;
};

}  // namespace

Result<PolicyText> parse_policy_text(
    std::string_view text, std::string_view source, const ReadFile& read_file) {
    if (text.size() > kMostBytes) {
        return fail(CommonError::limit_exceeded,
            fmt::format("{}: more than {} MiB", source, kMostBytes / kMiB));
    }
    try {
        const toml::table document = toml::parse(text, source);
        return Parser(source, read_file).parse(document, text.size());
    } catch (const toml::parse_error& error) {
        return wrong_at(source, error.source().begin.line, error.description());
    }
}

}  // namespace decloud::policy::internal
