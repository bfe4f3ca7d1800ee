#include "redirects.hpp"

#include "pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <ranges>

namespace decloud::ipfs {

namespace {

constexpr std::size_t kMostRules = 1000;
constexpr std::array kStatuses = {200, 301, 302, 303, 307, 308, 404, 410, 451};
constexpr std::string_view kSplat = "*";

using Values = std::map<std::string, std::string, std::less<>>;

std::vector<std::string> split(std::string_view text, std::string_view separators) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = text.find_first_not_of(separators, at);
        if (begin == std::string_view::npos) {
            break;
        }
        at = std::min(text.find_first_of(separators, begin), text.size());
        out.emplace_back(text.substr(begin, at - begin));
    }
    return out;
}

std::unexpected<Error> bad(std::size_t line, std::string_view problem) {
    return fail(CommonError::invalid_input, fmt::format("line {}: {}", line, problem));
}

/// A status that is allowed, or 0.
int parse_status(std::string_view text) {
    int status = 0;
    const auto read = std::from_chars(text.begin(), text.end(), status);
    const bool is_allowed = read.ec == std::errc() && read.ptr == text.end() &&
                            std::ranges::find(kStatuses, status) != kStatuses.end();
    return is_allowed ? status : 0;
}

bool leads_somewhere(std::string_view to, int status) {
    const bool is_url = to.starts_with("https://") || to.starts_with("http://");
    const bool is_clean =
        std::ranges::all_of(to, [](unsigned char c) { return c > 0x20 && c != 0x7f; });
    const bool is_path = to.starts_with("/") && !to.starts_with("//");
    return is_clean && (is_path || (is_url && status / 100 == 3));
}

/// Whether a path fits; the values of placeholders.
std::optional<Values> fit(
    const std::vector<std::string>& from, const std::vector<std::string>& path) {
    Values values;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] == kSplat) {
            std::string rest;
            for (const std::string& part : path | std::views::drop(i)) {
                rest += (rest.empty() ? "" : "/") + part;
            }
            values.emplace("splat", std::move(rest));
            return values;
        }
        if (i >= path.size()) {
            return std::nullopt;
        }
        if (from[i].starts_with(":")) {
            values.emplace(from[i].substr(1), path[i]);
        } else if (from[i] != path[i]) {
            return std::nullopt;
        }
    }
    return path.size() == from.size() ? std::optional(std::move(values)) : std::nullopt;
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string fill(std::string_view to, const Values& values, bool escape) {
    std::string out;
    for (std::size_t i = 0; i < to.size();) {
        std::size_t end = i + 1;
        while (end < to.size() && is_word(to[end])) {
            ++end;
        }
        const auto value = to[i] == ':' ? values.find(to.substr(i + 1, end - i - 1)) : values.end();
        if (value == values.end()) {
            out += to[i++];
        } else {
            out += escape ? escape_path(value->second) : value->second;
            i = end;
        }
    }
    return out;
}

}  // namespace

Result<Redirects> Redirects::parse(std::string_view text) {
    if (text.size() > kMaxRedirectsFile) {
        return fail(CommonError::limit_exceeded,
            fmt::format("redirects file size cannot exceed {} bytes", kMaxRedirectsFile));
    }
    Redirects out;
    std::size_t number = 0;
    for (const auto part : std::views::split(text, '\n')) {
        const std::string_view whole(part.begin(), part.end());
        const std::vector<std::string> words = split(whole.substr(0, whole.find('#')), " \t\r");
        ++number;
        if (words.empty()) {
            continue;
        }
        if (words.size() == 1 || words.size() > 3 || !words[0].starts_with("/")) {
            return bad(number, "a rule is FROM TO, perhaps with a status");
        }
        Rule rule{.from = split(words[0], "/"), .to = words[1]};
        rule.status = words.size() == 3 ? parse_status(words[2]) : 301;
        if (rule.status == 0) {
            return bad(number, "status \"" + words[2] + "\" is not supported");
        }
        if (!leads_somewhere(rule.to, rule.status)) {
            return bad(number, "\"" + rule.to + "\" leads nowhere");
        }
        const auto splat = std::ranges::find_if(
            rule.from, [](const std::string& each) { return each.find('*') != std::string::npos; });
        if (splat != rule.from.end() && (*splat != kSplat || splat + 1 != rule.from.end())) {
            return bad(number, "a splat stands alone at the end");
        }
        if (out.rules_.size() == kMostRules) {
            return fail(CommonError::limit_exceeded, "more than 1,000 rules");
        }
        out.rules_.push_back(std::move(rule));
    }
    return out;
}

std::optional<Redirects::Match> Redirects::find(std::string_view path) const {
    const std::vector<std::string> parts = split(path, "/");
    for (const Rule& rule : rules_) {
        if (const auto values = fit(rule.from, parts)) {
            return Match{.to = fill(rule.to, *values, false),
                .location = fill(rule.to, *values, true),
                .status = rule.status};
        }
    }
    return std::nullopt;
}

}  // namespace decloud::ipfs
