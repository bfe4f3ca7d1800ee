#pragma once

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/result.hpp>
#include <decloud/identity/eip712.hpp>
#include <decloud/identity/tunnel_claim.hpp>
#include <decloud/net/http/http2_link.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/websocket/byte_stream.hpp>
#include <decloud/registry/provider.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace decloud::gateway::internal {

/// Bounds and what claims are judged by.
struct TunnelSettings {
    /// In whose domain delegations are signed.
    identity::Domain domain{};
    /// True for the host (with its port, if there is one) under which providers dial this gateway.
    std::function<bool(std::string_view host)> is_own_host{};
    /// True for hosts of URLs that lead to this gateway: providers that only tunnels reach.
    std::function<bool(std::string_view host)> is_own_name{};
    /// How long after the start the tunnels that a restart cut off are waited for.
    std::chrono::milliseconds return_window{15'000};
    std::size_t max_tunnels = 20'000;
    std::size_t max_per_name = 8;
    std::chrono::milliseconds claim_timeout{10'000};
    net::http::ClientSettings client;
    net::http::Http2Settings http2 = net::http::shared_link_settings();
    net::http::Liveness liveness;
};

/// Providers that dialled this gateway and proved their names: a WebSocket each, HTTP/2 in it.
/// Single threaded.
class Tunnels {
  public:
    /// `source` and `clock` outlive this.
    Tunnels(async::Executor executor,
        registry::ProviderSource& source,
        const Clock& clock,
        TunnelSettings settings);
    /// `stop` must have ended.
    ~Tunnels();
    Tunnels(const Tunnels&) = delete;
    Tunnels& operator=(const Tunnels&) = delete;

    /// True if the request wants to be a tunnel.
    [[nodiscard]] bool is_meant(const net::http::RequestHead& request) const;
    /// Answers it.
    [[nodiscard]] async::Task<void> accept(net::http::Exchange exchange);
    /// The least busy tunnel of a provider; nothing if it has none. Ends those whose delegation
    /// does not hold any more.
    [[nodiscard]] std::shared_ptr<net::http::Http2Requester> find(
        const registry::Provider& provider);
    /// Right after the start, for a provider to which nothing but a tunnel leads, until its first.
    [[nodiscard]] bool may_come_back(const registry::Provider& provider) const;
    /// As long as that holds; at once otherwise.
    [[nodiscard]] async::Task<void> await_return(registry::Provider provider);
    /// Tells the providers, and ends: their requests are over by now, or broken off.
    [[nodiscard]] async::Task<void> stop();
    [[nodiscard]] std::size_t size() const { return count_; }

  private:
    struct Owner {
        Address account;
        std::uint64_t delegation_epoch = 0;
        std::uint64_t expires = 0;
        std::uint64_t epoch = 0;
        std::vector<std::shared_ptr<net::http::Http2Requester>> links;
    };

    [[nodiscard]] async::Task<void> serve(
        std::unique_ptr<net::websocket::ByteStream> stream, std::string host);
    [[nodiscard]] async::Task<Result<identity::TunnelClaim>> hear_claim(
        net::websocket::ByteStream* stream, std::string host);
    [[nodiscard]] async::Task<Result<void>> judge(
        identity::TunnelClaim claim, identity::TunnelContext context);
    /// Error: what the provider is told. A later delegation, or a later process of the same, ends
    /// the tunnels of the earlier one.
    [[nodiscard]] Result<void> enter(
        const identity::TunnelClaim& claim, const std::shared_ptr<net::http::Http2Requester>& link);
    void drop(const std::string& name);
    [[nodiscard]] std::chrono::steady_clock::duration left_of_window() const;
    [[nodiscard]] bool has_expired(const Owner& owner) const;
    void leave(const std::string& name, const std::shared_ptr<net::http::Http2Requester>& link);

    async::Executor executor_;
    registry::ProviderSource& source_;
    const Clock& clock_;
    TunnelSettings settings_;
    async::TaskGroup tasks_;
    std::map<std::string, Owner> owners_;
    /// Before their claim is accepted.
    std::vector<net::Stream*> claiming_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    /// In the window: who has come back, and who is waited for.
    std::set<std::string> returned_;
    std::map<std::string, std::shared_ptr<async::Event>> awaited_;
    std::size_t count_ = 0;
    bool stopping_ = false;
};

}  // namespace decloud::gateway::internal
