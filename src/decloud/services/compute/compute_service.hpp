#pragma once

#include "deployments.hpp"
#include "function_call.hpp"
#include "logs_call.hpp"

#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::services {

/// Service `compute`: `call` runs a deployment (its cid is the first argument), `revoke` ends one,
/// `describe` says whether one runs here, `logs` shows its owner what it said. All outlive it.
[[nodiscard]] std::unique_ptr<protocol::Service> make_compute_service(
    Deployments& deployments, FunctionCallContext& context, LogsContext& logs);

}  // namespace decloud::services
