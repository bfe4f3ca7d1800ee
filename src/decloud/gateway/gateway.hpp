#pragma once

#include "proxy.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/identity/eip712.hpp>
#include <decloud/net/address.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/registry/ens.hpp>
#include <decloud/registry/provider_catalogue.hpp>
#include <decloud/registry/provider_directory.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace decloud::gateway {

/// Everything that a gateway's operator decides.
struct GatewaySettings {
    net::Endpoint listen;
    /// JSON-RPC endpoints of the chain; at least one.
    std::vector<std::string> chain_urls;
    /// Its `chain_id` is the one to insist on.
    chain::HeadFollowerSettings chain;
    Address registry;
    registry::ProviderDirectorySettings directory{.max_providers = 8192};
    registry::ProviderCatalogueSettings catalogue;
    /// Names under `.eth`.
    registry::EnsSettings ens;
    net::http::ServerSettings server;
    /// Domain, time-outs towards providers, outbound policy, limits.
    ProxySettings proxy;
    /// Where delegations of providers that open tunnels are valid.
    identity::Domain signature_domain;
    /// Where aliases are kept; empty: there are none.
    std::filesystem::path alias_file;
    /// Whose denied cids and names are answered 451; read again when it changes. Empty: none.
    std::filesystem::path policy_file;
};

/// The entrance for callers who know a provider's name: looks it up in the registry and passes
/// requests on. Holds no account key. Single threaded.
class Gateway {
  public:
    /// Listens, so that the port is known; serves once `run` is called. It starts without the
    /// chain, too: `/readyz` says so until it is there. Errors: invalid_input, and the server's:
    /// address_in_use, …
    [[nodiscard]] static async::Task<Result<std::unique_ptr<Gateway>>> start(
        async::Executor executor,
        GatewaySettings settings,
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
        const Clock& clock,
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
        metrics::Registry& metrics);
    /// `stop` must have ended if `run` was called.
    ~Gateway();
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;

    /// With the port that was chosen.
    [[nodiscard]] net::Endpoint endpoint() const;
    /// Serves until `stop` has ended.
    [[nodiscard]] async::Task<void> run();
    /// Accepts nothing more, gives running requests `grace`, then ends everything.
    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace);
    /// What the gateway knows of the chain now; `/readyz` says the same.
    [[nodiscard]] chain::ChainStatus chain_status() const;
    /// Tunnels that are open.
    [[nodiscard]] std::size_t tunnel_count() const;

  private:
    class Impl;
    explicit Gateway(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::gateway
