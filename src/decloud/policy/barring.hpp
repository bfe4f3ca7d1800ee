#pragma once

#include "policy.hpp"

#include <decloud/protocol/call.hpp>
#include <decloud/protocol/problem.hpp>

#include <string_view>

namespace decloud::policy {

/// The 451 by such a rule.
[[nodiscard]] std::unexpected<protocol::Problem> barred_by(const Rule& rule);

/// Refuses with 451 a call that names denied content, before anything is looked for or fetched.
[[nodiscard]] protocol::Checked<void> bar_content(const Policy& policy, const protocol::Call& call);

/// The same for a request that is passed on to the provider of that name: `target` is a path with
/// its query, whose first segments and arguments may be cids.
[[nodiscard]] protocol::Checked<void> bar_target(
    const Policy& policy, std::string_view target, std::string_view provider);

}  // namespace decloud::policy
