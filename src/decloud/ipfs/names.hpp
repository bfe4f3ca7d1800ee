#pragma once

#include "content_request.hpp"
#include "ipns_records.hpp"

#include <decloud/base/clock.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// Content paths of domain names (DNSLink) that are given and not asked for in DNS.
class KnownLinks {
  public:
    KnownLinks() = default;
    /// "example.org:/ipfs/CID,other.org:/ipns/NAME", the form of Kubo's IPFS_NS_MAP; what is not of
    /// it is ignored.
    [[nodiscard]] static KnownLinks parse(std::string_view text);

    [[nodiscard]] std::optional<std::string> find(std::string_view domain) const;

  private:
    std::map<std::string, std::string, std::less<>> links_;
};

/// Where a name leads now.
struct NamedTarget {
    multiformats::Cid root;
    std::vector<std::string> segments;
    /// For how many seconds that may be taken for granted.
    std::uint64_t max_age = 0;
};

/// Follows a name (an IPNS name, or a domain with a DNSLink), also over further names, at most 16.
/// Both are asked on a thread pool. Refusals: 400 for what is no name, 502 for one that leads
/// nowhere.
[[nodiscard]] Answered<NamedTarget> resolve_name(
    std::string name, const IpnsRecords& records, const KnownLinks& links, UnixSeconds now);

}  // namespace decloud::ipfs
