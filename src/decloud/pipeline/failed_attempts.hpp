#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace decloud::pipeline {

/// How many failures a client is forgiven.
struct FailedAttemptsSettings {
    /// Failed attempts of one client that are forgiven in a minute, and that may come at once.
    /// 0: the rule counts nothing.
    std::uint32_t per_minute = 60;
    /// Clients (as `Call::client`) that are not counted: configured gateways, whose requests are
    /// many people's where they do not say whose.
    std::vector<std::string> exempt = {};
    /// Clients that are remembered; the one whose last failure is the oldest goes first.
    std::size_t max_clients = 65'536;
};

/// Turns away clients (an IPv4 address or an IPv6 /64) that fail too often: signatures that are not
/// valid, bodies that are not what their digest says, requests that cannot be read. They get 429
/// until their failures are forgiven. Loopback and configured gateways are never counted, as
/// everybody's requests come from there. `clock` and `metrics` outlive the rule.
[[nodiscard]] std::unique_ptr<protocol::Admission> make_failed_attempts_rule(
    FailedAttemptsSettings settings, const Clock& clock, metrics::Registry& metrics);

}  // namespace decloud::pipeline
