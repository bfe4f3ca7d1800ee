#pragma once

#include "service_file.hpp"

#include <decloud/net/http/client.hpp>
#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::services {

/// What declared services work with. All of it outlives them.
struct DeclaredContext {
    /// Answers for deployments.
    protocol::Service& compute;
    /// Asks the operator's own HTTP servers.
    net::http::Client& client;
    AssetId asset;
};

/// A service from its `service.toml`. A deployment sees `SCRIPT_NAME` /oc/v1/{service}, `PATH_INFO`
/// /{method} and the query as it came; a server gets `POST {url}/{method}?{query}`. Whoever calls
/// pays what the file says; a deployment's own price and `ownerPays` do not matter here.
[[nodiscard]] std::unique_ptr<protocol::Service> make_declared_service(
    ServiceFile file, DeclaredContext& context);

}  // namespace decloud::services
