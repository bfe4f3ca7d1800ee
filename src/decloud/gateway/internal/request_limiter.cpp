#include "request_limiter.hpp"

#include "named_provider.hpp"

#include <decloud/multiformats/cid.hpp>
#include <decloud/net/forwarding.hpp>

#include <fmt/format.h>

#include <utility>

namespace decloud::gateway::internal {

namespace {

using protocol::Checked;
using Clock = std::chrono::steady_clock;

metrics::Counter& rejections(metrics::Registry& metrics, std::string_view limit) {
    return metrics.counter("decloud_gateway_limit_rejections_total",
        "Requests beyond what one address, payer or deployment may ask for.",
        {{"limit", std::string(limit)}});
}

}  // namespace

RequestLimiter::RequestLimiter(const RequestLimits& limits, metrics::Registry& metrics)
    : limits_payers_(limits.payer.per_second > 0),
      limits_deployments_(limits.deployment.is_set()),
      addresses_(limits.address, limits.max_remembered),
      payers_({.per_second = limits.payer.per_second, .burst = limits.payer.burst},
          limits.max_remembered),
      deployments_(limits.deployment, limits.max_remembered),
      address_rejections_(rejections(metrics, "address")),
      payer_rejections_(rejections(metrics, "payer")),
      deployment_rejections_(rejections(metrics, "deployment")) {}

std::unexpected<protocol::Problem> RequestLimiter::refuse(
    metrics::Counter& counter, std::string_view whose, std::chrono::seconds wait) {
    counter.increment();
    auto refusal = protocol::refuse(429, protocol::Status::declined,
        fmt::format("this gateway takes no more requests {} for now", whose));
    refusal.error().headers.emplace_back("Retry-After", std::to_string(wait.count()));
    return refusal;
}

Checked<RequestLimiter::Place> RequestLimiter::enter_address(const net::PeerAddress& client) {
    auto place = addresses_.enter(net::client_network(client), Clock::now());
    if (!place) {
        return refuse(address_rejections_, "from your address", place.error());
    }
    return std::move(*place);
}

Checked<RequestLimiter::Place> RequestLimiter::enter_deployment(
    std::string_view target, std::string_view prefix) {
    if (!limits_deployments_) {
        return Place();
    }
    target.remove_prefix(std::min(prefix.size() + 1, target.size()));
    const auto cid = multiformats::Cid::parse(target.substr(0, target.find_first_of("/?")));
    if (!cid) {
        return Place();
    }
    auto place = deployments_.enter(cid->to_string(), Clock::now());
    if (!place) {
        return refuse(deployment_rejections_, "to this deployment", place.error());
    }
    return std::move(*place);
}

std::optional<std::string> RequestLimiter::payer(
    const net::http::Headers& headers, const Address& provider) const {
    auto payer = limits_payers_ ? named_payer(headers) : std::nullopt;
    if (payer) {
        payer->append("@").append(to_string(provider));
    }
    return payer;
}

Checked<void> RequestLimiter::check_payer(const std::string& payer) {
    if (const auto judged = payers_.check(payer, Clock::now()); !judged) {
        return refuse(payer_rejections_, "that you pay", judged.error());
    }
    return {};
}

void RequestLimiter::count_payer(const std::string& payer) { payers_.count(payer, Clock::now()); }

}  // namespace decloud::gateway::internal
