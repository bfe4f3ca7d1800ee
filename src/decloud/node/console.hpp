#pragma once

#include "metrics_registry.hpp"

#include <decloud/chain/head_follower.hpp>
#include <decloud/net/http/server.hpp>

#include <functional>
#include <string>

namespace decloud::node {

/// What the console listener shows. Host and Origin are checked, so that no page of a stranger can
/// read it. Everything outlives the console.
struct ConsoleContext {
    const MetricsRegistry& metrics;
    std::function<chain::ChainStatus()> chain_status;
    std::string provider_name;
    /// Brings metrics up to date that are only worth it when they are read.
    std::function<void()> measure;
};

/// `/metrics` (Prometheus' text format), `/healthz`, `/readyz` and a start page without money on
/// it.
[[nodiscard]] async::Task<void> answer_console(
    net::http::Exchange exchange, const ConsoleContext& context);

/// True if a request's Host (and Origin, if any) is loopback: neither a rebound name nor another
/// site.
[[nodiscard]] bool is_local_request(const net::http::RequestHead& head);

/// `/readyz`: 200, or 503 with the reason.
[[nodiscard]] async::Task<void> answer_readiness(
    net::http::Exchange exchange, chain::ChainStatus status);
/// `/healthz`: 200 as long as the process answers.
[[nodiscard]] async::Task<void> answer_health(net::http::Exchange exchange);

}  // namespace decloud::node
