#pragma once

#include "deployments.hpp"
#include "function_call.hpp"

#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::services {

/// Service `compute`: `call` runs a deployment (its cid is the first argument), `revoke` ends one.
/// Both outlive it.
[[nodiscard]] std::unique_ptr<protocol::Service> make_compute_service(
    Deployments& deployments, FunctionCallContext& context);

}  // namespace decloud::services
