#include "barring.hpp"

#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::policy {

using protocol::Checked;

namespace {

/// A cid is the first segment, or behind `ipfs`, `p/NAME`, `oc/v1/SERVICE`.
constexpr int kMostSegments = 6;

/// Takes what is before the next `separator` off the front.
std::string_view take(std::string_view& rest, char separator) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

const Rule* barring_text(const Policy& policy, std::string_view text) {
    const auto plain = percent_decode(text);
    return plain ? policy.barring({.cid = *plain}) : nullptr;
}

Checked<void> answer(const Rule* rule) {
    return rule == nullptr ? Checked<void>{} : barred_by(*rule);
}

}  // namespace

std::unexpected<protocol::Problem> barred_by(const Rule& rule) {
    return protocol::refuse(451, protocol::Status::declined,
        rule.reason.empty() ? "this content is not served here" : rule.reason,
        "another provider or gateway may serve it");
}

Checked<void> bar_content(const Policy& policy, const protocol::Call& call) {
    if (policy.size().contents == 0) {
        return {};
    }
    const std::size_t dot = call.service.find('.');
    if (dot != std::string::npos) {
        const Content owner{.name = std::string_view(call.service).substr(dot + 1)};
        if (const Rule* rule = policy.barring(owner)) {
            return barred_by(*rule);
        }
    }
    for (const std::string& argument : call.args) {
        if (const Rule* rule = policy.barring({.cid = argument})) {
            return barred_by(*rule);
        }
    }
    return {};
}

Checked<void> bar_target(const Policy& policy, std::string_view target, std::string_view provider) {
    if (policy.size().contents == 0) {
        return {};
    }
    const Rule* rule = policy.barring({.name = provider});
    std::string_view query = target;
    std::string_view path = take(query, '?');
    for (int i = 0; i < kMostSegments && rule == nullptr && !path.empty(); ++i) {
        rule = barring_text(policy, take(path, '/'));
    }
    while (rule == nullptr && !query.empty()) {
        const std::string_view part = take(query, '&');
        if (part.starts_with("arg=")) {
            rule = barring_text(policy, part.substr(4));
        }
    }
    return answer(rule);
}

}  // namespace decloud::policy
