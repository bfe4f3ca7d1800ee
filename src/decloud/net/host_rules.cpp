#include "host_rules.hpp"

#include <decloud/base/ascii.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace decloud::net {

namespace {

constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::array<std::uint16_t, 2> kUsualPorts{80, 443};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' &&
           label.back() != '-' && std::ranges::all_of(label, [](char c) {
               return is_letter(c) || is_digit(c) || c == '-' || c == '_';
           });
}

std::unexpected<Error> invalid(std::string_view text, std::string_view why) {
    return fail(CommonError::invalid_input, fmt::format("\"{}\" {}", text, why));
}

bool is_below(std::string_view host, std::string_view name) {
    return host.size() > name.size() + 1 && host.ends_with(name) &&
           host[host.size() - name.size() - 1] == '.';
}

/// Every name that `wanted` has is one that `rule` has.
bool has_names_of(const HostRule& rule, const HostRule& wanted) {
    switch (rule.match) {
        case HostMatch::any:
            return true;
        case HostMatch::exact:
            return wanted.match == HostMatch::exact && wanted.name == rule.name;
        case HostMatch::below:
            return (wanted.match == HostMatch::below && wanted.name == rule.name) ||
                   (wanted.match != HostMatch::any && is_below(wanted.name, rule.name));
    }
    return false;
}

bool has_port(const HostRule& rule, std::uint16_t port) {
    return rule.port ? *rule.port == port
                     : std::ranges::find(kUsualPorts, port) != kUsualPorts.end();
}

}  // namespace

std::string HostRule::to_string() const {
    std::string text = match == HostMatch::exact   ? name
                       : match == HostMatch::below ? "*." + name
                                                   : "*";
    if (port) {
        text += fmt::format(":{}", *port);
    }
    return text;
}

bool HostRule::allows(std::string_view host, std::uint16_t at) const {
    const bool named = match == HostMatch::any     ? is_host_name(host)
                       : match == HostMatch::exact ? host == name
                                                   : is_below(host, name) && is_host_name(host);
    return named && has_port(*this, at);
}

bool is_host_name(std::string_view text) {
    if (text.empty() || text.size() > kMaxNameBytes) {
        return false;
    }
    std::string_view label;
    while (true) {
        const std::size_t dot = text.find('.');
        label = text.substr(0, dot);
        if (!is_label(label)) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return is_letter(label.front());
        }
        text.remove_prefix(dot + 1);
    }
}

Result<HostRule> parse_host_rule(std::string_view text) {
    HostRule rule;
    const std::size_t colon = text.rfind(':');
    std::string name = to_lower(text.substr(0, colon));
    if (colon != std::string_view::npos) {
        const std::string_view digits = text.substr(colon + 1);
        std::uint16_t port = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (error != std::errc() || end != digits.data() + digits.size() || port == 0 ||
            digits.front() == '0') {
            return invalid(text, "has no port from 1 to 65535 after its \":\"");
        }
        rule.port = port;
    }
    if (name == "*") {
        rule.match = HostMatch::any;
        return rule;
    }
    if (name.starts_with("*.")) {
        rule.match = HostMatch::below;
        name.erase(0, 2);
    }
    if (!is_host_name(name)) {
        return invalid(text,
            "names no host: write api.example.com, *.example.com or *, with :PORT for another "
            "port than 80 and 443");
    }
    rule.name = std::move(name);
    return rule;
}

Result<HostRules> parse_host_rules(const std::vector<std::string>& texts) {
    if (texts.size() > kMaxHostRules) {
        return fail(CommonError::invalid_input, fmt::format("more than {} hosts", kMaxHostRules));
    }
    HostRules rules;
    rules.reserve(texts.size());
    for (const std::string& text : texts) {
        TRY(HostRule rule, parse_host_rule(text));
        rules.push_back(std::move(rule));
    }
    return rules;
}

std::vector<std::string> to_texts(const HostRules& rules) {
    std::vector<std::string> texts;
    texts.reserve(rules.size());
    for (const HostRule& rule : rules) {
        texts.push_back(rule.to_string());
    }
    return texts;
}

bool allows(const HostRules& rules, std::string_view host, std::uint16_t port) {
    return std::ranges::any_of(
        rules, [&](const HostRule& rule) { return rule.allows(host, port); });
}

std::optional<HostRule> first_beyond(const HostRules& wanted, const HostRules& rules) {
    const auto is_allowed_at = [&rules](const HostRule& rule, std::uint16_t port) {
        return std::ranges::any_of(rules,
            [&](const HostRule& by) { return has_names_of(by, rule) && has_port(by, port); });
    };
    for (const HostRule& rule : wanted) {
        const bool allowed = rule.port ? is_allowed_at(rule, *rule.port)
                                       : std::ranges::all_of(kUsualPorts, [&](std::uint16_t port) {
                                             return is_allowed_at(rule, port);
                                         });
        if (!allowed) {
            return rule;
        }
    }
    return std::nullopt;
}

}  // namespace decloud::net
