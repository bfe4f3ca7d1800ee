#include "names.hpp"

#include <algorithm>
#include <ranges>

namespace decloud::ipfs {

namespace {

using multiformats::IpnsName;

constexpr int kMostHops = 16;
/// Of a link that is given by configuration.
constexpr std::uint64_t kKnownLinkAge = 60;
/// Of a domain's name, so that "_dnslink." fits in front (RFC 1035 §2.3.4).
constexpr std::size_t kMostDomain = 253 - 9;
constexpr std::size_t kMostLabel = 63;

std::vector<std::string> segments_of(std::string_view path) {
    std::vector<std::string> out;
    for (const auto part : std::views::split(path, '/')) {
        if (!part.empty()) {
            out.emplace_back(part.begin(), part.end());
        }
    }
    return out;
}

struct Hop {
    std::string path;
    std::uint64_t max_age = 0;
};

Answered<Hop> follow_domain(const std::string& name, const NameSources& sources) {
    if (auto link = sources.links.find(name)) {
        return Hop{.path = std::move(*link), .max_age = kKnownLinkAge};
    }
    if (!is_domain(name)) {
        return refuse(400, "\"" + name + "\" is no domain");
    }
    if (sources.domains == nullptr) {
        return refuse(502, "no DNSLink of " + name + " is known here");
    }
    auto known = sources.domains->find(name);
    if (!known) {
        return std::unexpected(Refusal{
            .status = 502, .detail = "DNS was not asked for " + name, .unknown_domain = name});
    }
    if (!known->path) {
        return std::unexpected(std::move(known->path.error()));
    }
    return Hop{.path = std::move(*known->path), .max_age = known->max_age};
}

Answered<Hop> follow(const std::string& name, const NameSources& sources, UnixSeconds now) {
    if (const auto key = IpnsName::parse(name)) {
        const auto held = sources.records.find(*key, now).value_or(std::nullopt);
        if (!held) {
            return refuse(502, "no valid record of " + key->to_string() + " is known here");
        }
        const multiformats::IpnsRecord& record = held->record;
        return Hop{.path = record.value,
            .max_age = std::min(static_cast<std::uint64_t>(record.ttl.count()),
                record.valid_until.value - now.value)};
    }
    if (name.find('.') == std::string::npos) {
        return refuse(400, "\"" + name + "\" is neither an IPNS name nor a domain");
    }
    return follow_domain(name, sources);
}

}  // namespace

bool is_domain(std::string_view text) {
    if (text.size() > kMostDomain || text.find('.') == std::string_view::npos) {
        return false;
    }
    return std::ranges::all_of(std::views::split(text, '.'), [](const auto part) {
        const std::string_view label(part.begin(), part.end());
        return !label.empty() && label.size() <= kMostLabel &&
               std::ranges::all_of(label, [](char c) {
                   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_';
               });
    });
}

KnownLinks KnownLinks::parse(std::string_view text) {
    KnownLinks out;
    for (const auto part : std::views::split(text, ',')) {
        const std::string_view entry(part.begin(), part.end());
        const std::size_t colon = entry.find(':');
        if (colon != std::string_view::npos && entry.substr(colon + 1).starts_with("/ip")) {
            out.links_.emplace(entry.substr(0, colon), entry.substr(colon + 1));
        }
    }
    return out;
}

std::optional<std::string> KnownLinks::find(std::string_view domain) const {
    const auto found = links_.find(domain);
    return found == links_.end() ? std::nullopt : std::optional(found->second);
}

Answered<NamedTarget> resolve_name(std::string name, const NameSources& sources, UnixSeconds now) {
    std::vector<std::string> behind;
    std::uint64_t max_age = ~std::uint64_t{0};
    for (int hops = 0; hops < kMostHops; ++hops) {
        auto hop = follow(name, sources, now);
        if (!hop) {
            return std::unexpected(std::move(hop.error()));
        }
        max_age = std::min(max_age, hop->max_age);
        std::vector<std::string> parts = segments_of(hop->path);
        if (parts.size() < 2 || parts.size() + behind.size() > kMaxSegments) {
            return refuse(502, name + " leads to no content path");
        }
        const std::string space = std::move(parts[0]);
        name = std::move(parts[1]);
        behind.insert(behind.begin(), parts.begin() + 2, parts.end());
        if (space == "ipfs") {
            auto cid = multiformats::Cid::parse(name);
            if (!cid) {
                return refuse(502, "\"" + name + "\" is no content id");
            }
            return NamedTarget{
                .root = std::move(*cid), .segments = std::move(behind), .max_age = max_age};
        }
        if (space != "ipns") {
            return refuse(502, "a name leads to /" + space);
        }
    }
    return refuse(400, "too many names lead to one another");
}

}  // namespace decloud::ipfs
