#pragma once

#include "pay_proxy_route.hpp"
#include "payer.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/address.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/registry/provider.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace decloud::client {

/// Where a pay-proxy listens and what it tries first.
struct PayProxySettings {
    /// On loopback: what goes through is not encrypted.
    net::Endpoint listen;
    /// A Unix socket (0600), which needs no token; empty: none.
    std::string socket;
    /// As `routes_to`'s.
    std::string gateway_url;
    /// For bodies that are too long to be kept in memory.
    std::filesystem::path cache;
};

/// An HTTP proxy on this machine that pays for what goes through it, so that any program pays by
/// setting a base URL or `http_proxy`. Streams both ways; keeps nothing. Single threaded.
class PayProxy {
  public:
    /// Listens; serves once `run` is called. `payer` and `providers` outlive it; without
    /// `providers` only URLs are served. Errors: invalid_input unless `listen` is on loopback; the
    /// server's.
    [[nodiscard]] static Result<std::unique_ptr<PayProxy>> start(async::Executor executor,
        PayProxySettings settings,
        Payer& payer,
        registry::ProviderSource* providers);
    /// `stop` must have ended if `run` was called.
    ~PayProxy();
    PayProxy(const PayProxy&) = delete;
    PayProxy& operator=(const PayProxy&) = delete;

    /// With the port that was chosen.
    [[nodiscard]] net::Endpoint endpoint() const;
    /// 128 random bits in hexadecimal; whoever knows it spends within the limits.
    [[nodiscard]] const std::string& token() const;
    /// Serves until `stop` has ended.
    [[nodiscard]] async::Task<void> run();
    /// Accepts nothing more, gives running requests `grace`, then ends everything.
    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace);

  private:
    class Impl;
    explicit PayProxy(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::client
