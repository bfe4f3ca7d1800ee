#pragma once

#include "keyed_limit.hpp"

#include <decloud/base/evm_types.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/net/address.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/protocol/problem.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::gateway::internal {

/// Holds requests to the gateway's limits; what is beyond them gets 429 with Retry-After. Single
/// threaded.
class RequestLimiter {
  public:
    /// For as long as it is kept the request counts as under way.
    using Place = std::shared_ptr<void>;

    /// `metrics` outlives this.
    RequestLimiter(const RequestLimits& limits, metrics::Registry& metrics);

    [[nodiscard]] protocol::Checked<Place> enter_address(const net::PeerAddress& client);
    /// `target` has the deployment's cid as its first segment behind `prefix`, if it is a call.
    [[nodiscard]] protocol::Checked<Place> enter_deployment(
        std::string_view target, std::string_view prefix);

    /// Whom the payment of a request to `provider` is counted against; nothing if that is not
    /// limited.
    [[nodiscard]] std::optional<std::string> payer(
        const net::http::Headers& headers, const Address& provider) const;
    /// Who pays is what the request says, so it is counted only once the provider has taken the
    /// payment: nobody uses up the share of another.
    [[nodiscard]] protocol::Checked<void> check_payer(const std::string& payer);
    void count_payer(const std::string& payer);

  private:
    [[nodiscard]] std::unexpected<protocol::Problem> refuse(
        metrics::Counter& counter, std::string_view whose, std::chrono::seconds wait);

    bool limits_payers_;
    bool limits_deployments_;
    KeyedLimit addresses_;
    KeyedLimit payers_;
    KeyedLimit deployments_;
    metrics::Counter& address_rejections_;
    metrics::Counter& payer_rejections_;
    metrics::Counter& deployment_rejections_;
};

}  // namespace decloud::gateway::internal
