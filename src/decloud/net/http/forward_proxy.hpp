#pragma once

#include "../host_rules.hpp"
#include "../outbound_policy.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace decloud::net::http {

/// Where a ForwardProxy leads, and how much of it.
struct ForwardProxySettings {
    /// What may be asked; names are resolved here.
    HostRules hosts;
    /// Judges every address that is dialled.
    OutboundPolicy policy;
    /// From clients, at the same time; more wait.
    std::size_t max_connections = 16;
    /// In both directions, for each hour begun since it was made. Beyond it connections are cut
    /// off, and requests are answered 403.
    std::uint64_t max_bytes_per_hour = kGiB;
    /// Name resolution and connection.
    std::chrono::milliseconds connect_timeout{10'000};
    /// Without a byte in either direction.
    std::chrono::milliseconds idle_timeout{300'000};
    /// Takes https URLs too, and speaks TLS with their hosts itself, as any client of this node
    /// does: for clients that cannot.
    bool https_urls = false;
};

/// What has passed through a ForwardProxy.
struct ForwardProxyUse {
    /// Tunnels and requests that were let through, whether or not their host answered.
    std::uint64_t requests = 0;
    /// Those that were not.
    std::uint64_t refused = 0;
    /// To hosts and from them, without what the proxy itself says: a tunnel's bytes, and requests
    /// and answers with their heads.
    std::uint64_t sent_bytes = 0;
    std::uint64_t received_bytes = 0;
};

/// An HTTP proxy that leads to some hosts only: CONNECT, and requests for absolute http URLs
/// (RFC 9110 §9.3.6, RFC 9112 §3.2.2). Refusals are 403 with the reason as text; hosts that cannot
/// be reached 502 or 504. Only such answers of its own have a `Proxy-Status`, "decloud; error=TYPE"
/// (RFC 9209 §2.3). Single threaded.
class ForwardProxy {
  public:
    /// Serves what connects to `listener`, a listening TCP socket of IPv4, which it owns from now
    /// on, also if this fails. Errors: from errno.
    [[nodiscard]] static Result<std::unique_ptr<ForwardProxy>> serve(
        async::Executor executor, int listener, ForwardProxySettings settings);
    /// Serves what `add` brings.
    [[nodiscard]] static std::unique_ptr<ForwardProxy> make(
        async::Executor executor, ForwardProxySettings settings);
    /// `stop` must have ended.
    ~ForwardProxy();
    ForwardProxy(const ForwardProxy&) = delete;
    ForwardProxy& operator=(const ForwardProxy&) = delete;

    /// Serves a connected stream socket, which it owns from now on; it is closed if there are too
    /// many.
    void add(int socket);
    /// So far.
    [[nodiscard]] ForwardProxyUse use() const;
    /// Ends all connections at once and waits for what still runs.
    [[nodiscard]] async::Task<void> stop();

  private:
    class Impl;
    explicit ForwardProxy(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::net::http
