#pragma once

#include "request_limits.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/http/http2_link.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/outbound_policy.hpp>
#include <decloud/protocol/payment_method.hpp>
#include <decloud/protocol/problem.hpp>
#include <decloud/protocol/request_record.hpp>
#include <decloud/registry/provider.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::gateway {

namespace internal {
class ProxyState;
}

/// The time-outs towards providers. A client's `Expect` is passed on; its body is asked for when
/// the provider asks, or after half a minute if that has no answer ready by then. Nothing is sent
/// twice, as every request may be a paid call.
[[nodiscard]] net::http::ClientSettings default_client_settings();

/// What the proxy serves under, and its limits.
struct ProxySettings {
    /// What hosts end in: "localhost", "gateway.example".
    std::string domain = "localhost";
    /// "http", or "https" behind something that ends TLS.
    std::string scheme = "http";
    net::http::ClientSettings client = default_client_settings();
    /// Which addresses the registry's URLs may lead to.
    net::OutboundPolicy policy;
    /// Of a request; 413 beyond.
    std::uint64_t max_body_bytes = std::uint64_t{1} << 40U;
    /// Requests at a time; 503 beyond.
    std::size_t max_concurrent = 4096;
    /// Of each address, payer and deployment; 429 beyond.
    RequestLimits limits;
    /// What is written to the log of each request.
    protocol::RecordSettings records;
    /// Without a byte in either direction on an upgraded connection.
    std::chrono::milliseconds upgraded_idle_timeout{600'000};
    /// The tunnel of a provider, if it has one; empty: there are none.
    std::function<std::shared_ptr<net::http::Http2Requester>(const registry::Provider& provider)>
        tunnel;
    /// Whether a provider without a tunnel had one that is perhaps on its way; then `await_tunnel`
    /// waits for it, for as long as that makes sense. Empty: no tunnel is waited for.
    std::function<bool(const registry::Provider& provider)> may_come_back;
    std::function<async::Task<void>(registry::Provider provider)> await_tunnel;
    /// Refuses what is not passed on, by target and the provider's full name; empty: nothing.
    std::function<protocol::Checked<void>(std::string_view target, std::string_view provider)> bar;
    /// All among which is chosen for `{domain}/{cid}`; empty: there is no such address here.
    std::function<std::shared_ptr<const std::vector<registry::Provider>>()> providers;
    /// What is known of them; may be null, outlives the proxy.
    const protocol::ReputationView* reputation = nullptr;
    /// The cid that an alias stands for; empty: there are no aliases.
    std::function<std::optional<std::string>(std::string_view alias)> alias;
};

/// Passes requests on to the providers they name, streaming both ways, and answers what cannot be
/// passed on with a problem body. Single threaded.
class Proxy {
  public:
    /// Says whether requests can be served, and why not; for `/readyz`.
    using Readiness = std::function<Result<void>()>;

    /// `source` and `metrics` outlive this.
    Proxy(async::Executor executor,
        registry::ProviderSource& source,
        ProxySettings settings,
        Readiness readiness,
        metrics::Registry& metrics);
    /// `stop` must have ended.
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    /// Answers one request: the server's handler.
    [[nodiscard]] async::Task<void> handle(net::http::Exchange exchange);
    /// Closes upgraded connections and those to providers; after the server has stopped.
    [[nodiscard]] async::Task<void> stop();

    /// Requests and upgraded connections under way.
    [[nodiscard]] std::size_t active() const;
    /// What this gateway calls itself in Via: random, so that only its own requests carry it.
    [[nodiscard]] const std::string& pseudonym() const;

  private:
    std::unique_ptr<internal::ProxyState> state_;
};

}  // namespace decloud::gateway
