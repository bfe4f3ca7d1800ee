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

/// Where domains lead that are asked for, as far as that is known.
class DomainLinks {
  public:
    /// What was found.
    struct Known {
        /// A content path, or why there is none: 404 if the domain has no DNSLink; 502 or 504 if
        /// DNS did not say.
        Answered<std::string> path{};
        /// For how many more seconds.
        std::uint64_t max_age = 0;
    };
    virtual ~DomainLinks() = default;
    /// Nothing if the domain has to be asked for first. Thread safe.
    [[nodiscard]] virtual std::optional<Known> find(std::string_view domain) const = 0;
};

/// Where a name leads now.
struct NamedTarget {
    multiformats::Cid root;
    std::vector<std::string> segments;
    /// For how many seconds that may be taken for granted.
    std::uint64_t max_age = 0;
};

/// What names are looked up in; all of it outlives the call.
struct NameSources {
    const IpnsRecords& records;
    /// Come before `domains`.
    const KnownLinks& links;
    /// Null: domains are not asked for.
    const DomainLinks* domains = nullptr;
};

/// Follows a name (an IPNS name, or a domain with a DNSLink), also over further names, at most 16.
/// Reads the disk. Refusals: 400 for what is no name or over too many, 404 and 504 as `DomainLinks`
/// says, 502 for one that leads nowhere; `Refusal::unknown_domain` is set if a domain has to be
/// asked for first.
[[nodiscard]] Answered<NamedTarget> resolve_name(
    std::string name, const NameSources& sources, UnixSeconds now);

/// Whether a domain can be asked for: labels of letters, digits, `-` and `_`, short enough.
[[nodiscard]] bool is_domain(std::string_view text);

}  // namespace decloud::ipfs
