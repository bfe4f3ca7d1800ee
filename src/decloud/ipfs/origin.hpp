#pragma once

#include <decloud/base/result.hpp>
#include <decloud/net/http/message.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::ipfs {

/// Whose origin a request came to (subdomain and DNSLink gateway specifications).
struct Origin {
    /// What stands there.
    enum class Kind : std::uint8_t {
        /// Nothing that concerns content; `/ipfs/…` on it is shared by all.
        shared,
        /// A host under which every cid has a subdomain: paths are sent there.
        parent,
        /// The subdomain of one cid or name.
        content,
        /// A domain that is a website by its DNSLink.
        website,
    };
    Kind kind = Kind::shared;
    /// "http" or "https".
    std::string scheme = "http";
    /// For `parent` and `content`: the parent's authority, with its port. For `website` its own.
    std::string authority{};
    /// For `content` and `website`: "ipfs" or "ipns", and the label or name as it was sent.
    std::string space{};
    std::string name{};
};

/// Finds out by Host, and by X-Forwarded-Host and -Proto if `trust_forwarded`, which a proxy in
/// front must have set. `parents` are names without a port; `is_website` says whether a domain has
/// a DNSLink here.
[[nodiscard]] Origin find_origin(const net::http::RequestHead& head,
    const std::vector<std::string>& parents,
    const std::function<bool(std::string_view)>& is_website,
    bool trust_forwarded);

/// "en.wikipedia-on-ipfs.org" as one label: "en-wikipedia--on--ipfs-org".
[[nodiscard]] std::string inline_domain(std::string_view domain);
/// The domain that such a label stands for.
[[nodiscard]] std::string domain_of_label(std::string_view label);

/// The label under which a cid or name has its subdomain; nothing if it is longer than DNS allows.
/// `text` is what stood in a path. Error: invalid_input for what is neither.
[[nodiscard]] Result<std::optional<std::string>> subdomain_label(
    std::string_view space, std::string_view text);

}  // namespace decloud::ipfs
