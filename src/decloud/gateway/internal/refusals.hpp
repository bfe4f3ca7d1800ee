#pragma once

#include <decloud/base/result.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/protocol/problem.hpp>

namespace decloud::gateway::internal {

/// Why a provider could not be found: 404, 502 or 503.
[[nodiscard]] protocol::Problem source_problem(
    const identity::ProviderName& name, const Error& error);

/// Why a provider that was found did not answer: 502, 504 or 508.
[[nodiscard]] protocol::Problem provider_problem(
    const identity::ProviderName& name, const Error& error);

/// Why the client's body could not be read: 400, 408 or 413.
[[nodiscard]] protocol::Problem body_problem(const Error& error);

/// For `/readyz`.
[[nodiscard]] protocol::Problem not_ready_problem(const Error& reason);

/// Why nobody could be chosen for a cid: 503 while nothing is known, or too much is being asked.
[[nodiscard]] protocol::Problem choice_problem(const Error& error);

[[nodiscard]] protocol::Problem busy_problem();
[[nodiscard]] protocol::Problem loop_problem();

}  // namespace decloud::gateway::internal
