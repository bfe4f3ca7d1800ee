#pragma once

#include "../http/proxy_rules.hpp"
#include "../outbound_policy.hpp"
#include "../url.hpp"
#include "socket.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace decloud::net::internal {

/// A connected byte stream, plain or TLS. One read and one write may be pending. Single threaded.
class Transport {
  public:
    virtual ~Transport() = default;
    /// 0 is the end. Errors: connection_closed.
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) = 0;
    /// Errors: connection_closed.
    [[nodiscard]] virtual async::Task<Result<void>> write(WriteParts parts) = 0;
    /// As ChannelBinding's.
    [[nodiscard]] virtual Bytes exporter(std::string_view /*label*/) const { return {}; }
    /// True if the other end chose HTTP/2 (ALPN).
    [[nodiscard]] virtual bool speaks_http2() const { return false; }
    virtual void shutdown_write() = 0;
    /// Ends pending calls.
    virtual void close() = 0;
    /// False if an unused connection has been closed by the peer or has bytes that nobody asked
    /// for.
    [[nodiscard]] virtual bool is_quiet() = 0;
};

/// Roots of trust for TLS. Cheap to share; made once.
class TlsContext;
[[nodiscard]] Result<std::shared_ptr<TlsContext>> make_tls_context(std::string ca_file);

/// Resolves once, judges each address by the policy, connects to the first that answers, and for
/// https verifies the certificate for the host; with `offer_http2` the other end may choose that.
/// With a proxy all of this is about the proxy's address, and https goes through its CONNECT.
/// No timeout of its own. Errors: name_not_found, address_forbidden, connect_failed, tls_failed.
[[nodiscard]] async::Task<Result<std::unique_ptr<Transport>>> connect(async::Executor executor,
    Url url,
    std::optional<http::Proxy> proxy,
    OutboundPolicy policy,
    std::shared_ptr<TlsContext> tls,
    bool offer_http2);

}  // namespace decloud::net::internal
