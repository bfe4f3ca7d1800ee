#pragma once

#include <decloud/protocol/service_description.hpp>

#include <string>
#include <vector>

namespace decloud::node {

/// OpenAPI 3.1 description of every method of these services, as JSON text. `server` is the node's
/// public URL.
[[nodiscard]] std::string openapi_json(
    const std::vector<protocol::ServiceDescription>& services, const std::string& server);

}  // namespace decloud::node
