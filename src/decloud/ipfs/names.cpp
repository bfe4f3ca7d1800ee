#include "names.hpp"

#include <algorithm>
#include <ranges>

namespace decloud::ipfs {

namespace {

using multiformats::IpnsName;

constexpr int kMostHops = 16;
/// Of a link that is given by configuration.
constexpr std::uint64_t kKnownLinkAge = 60;

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

Answered<Hop> follow(
    const std::string& name, const IpnsRecords& records, const KnownLinks& links, UnixSeconds now) {
    if (const auto key = IpnsName::parse(name)) {
        const auto held = records.find(*key, now).value_or(std::nullopt);
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
    if (auto link = links.find(name)) {
        return Hop{.path = std::move(*link), .max_age = kKnownLinkAge};
    }
    return refuse(502, "no DNSLink of " + name + " is known here");
}

}  // namespace

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

Answered<NamedTarget> resolve_name(
    std::string name, const IpnsRecords& records, const KnownLinks& links, UnixSeconds now) {
    std::vector<std::string> behind;
    std::uint64_t max_age = ~std::uint64_t{0};
    for (int hops = 0; hops < kMostHops; ++hops) {
        auto hop = follow(name, records, links, now);
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
    return refuse(502, "too many names lead to one another");
}

}  // namespace decloud::ipfs
