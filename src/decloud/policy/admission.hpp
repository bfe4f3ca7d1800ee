#pragma once

#include "policy_keeper.hpp"
#include "rate_limiter.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/metrics.hpp>
#include <decloud/protocol/payment_method.hpp>

#include <cstdint>
#include <functional>
#include <memory>

namespace decloud::policy {

/// What a node brings to its policy. What is referred to outlives the rule.
struct AdmissionSettings {
    /// What the file calls "USDC".
    AssetId usdc;
    /// Null: nobody tells, so that nothing that needs it is met.
    const protocol::ReputationView* reputation = nullptr;
    FactsView* facts = nullptr;
    /// Percent of the machine's processors; empty: the machine's own load average.
    std::function<std::uint32_t()> load{};
    std::size_t max_buckets = 65'536;
};

/// The rule that asks the policy: 451 for denied content, 403, 402 and 429 by its commands.
/// `keeper`, `clock` and `metrics` outlive it.
[[nodiscard]] std::unique_ptr<protocol::Admission> make_policy_rule(AdmissionSettings settings,
    const PolicyKeeper& keeper,
    const Clock& clock,
    metrics::Registry& metrics);

/// Whose bucket a request takes a token from, by the rate limits of its decision: credentials, or
/// its client's address.
[[nodiscard]] std::vector<std::string> bucket_owners(const Policy& policy,
    const Decision& decision,
    const Question& question,
    std::string_view client);

/// The load average of the last minute in percent of this machine's processors.
[[nodiscard]] std::uint32_t machine_load();

}  // namespace decloud::policy
