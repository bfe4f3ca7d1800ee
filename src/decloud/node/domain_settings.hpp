#pragma once

#include <decloud/net/address.hpp>

#include <string>
#include <vector>

namespace decloud::node {

/// How domains lead to content (DNSLink).
struct DomainSettings {
    /// DNS is asked for those that the environment does not tell.
    bool asks_dns = true;
    /// DNS servers; none: those of /etc/resolv.conf.
    std::vector<net::Endpoint> servers{};
    /// Domains, in lower case, that are answered as websites where they come as Host.
    std::vector<std::string> websites{};
};

}  // namespace decloud::node
