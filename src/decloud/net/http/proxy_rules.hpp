#pragma once

#include "../url.hpp"

#include <decloud/base/result.hpp>

#include <optional>
#include <string>

namespace decloud::net::http {

/// A proxy that leads to other hosts (RFC 9110 §3.7).
struct Proxy {
    /// Of scheme http; its target means nothing.
    Url url;
    /// The value of Proxy-Authorization, a secret; empty: none.
    std::string authorization;
};

/// The settings of a user as they are written by convention in `http_proxy`, `https_proxy`,
/// `all_proxy` and `no_proxy`; empty: not set.
struct ProxyVariables {
    /// For http URLs: "http://user:password@host:port", "host:port" or "host" (port 80).
    std::string http{};
    /// For https URLs.
    std::string https{};
    /// For either that has none of its own.
    std::string all{};
    /// What is asked without a proxy: hosts and domains (with all names below them), each with or
    /// without a port, by comma or space; "*": everything.
    std::string none{};
};

/// Which proxy leads to which URL. Plain data.
class ProxyRules {
  public:
    explicit ProxyRules(ProxyVariables variables) : variables_(std::move(variables)) {}

    /// Nothing: `url` is asked directly, as loopback addresses, `localhost` with the names below
    /// it, and Unix sockets always are. Error: invalid_input if what is set for it is no proxy;
    /// names the setting, never its value.
    [[nodiscard]] Result<std::optional<Proxy>> find(const Url& url) const;

  private:
    ProxyVariables variables_;
};

}  // namespace decloud::net::http
