#pragma once

#include <decloud/base/json.hpp>
#include <decloud/protocol/service.hpp>

#include <functional>
#include <memory>

namespace decloud::services {

/// Service `info`: `info` says who the node is, what it offers, what it takes and its limits.
/// `tell` gives that as of now and outlives the service.
[[nodiscard]] std::unique_ptr<protocol::Service> make_info_service(
    std::function<json::Object()> tell);

}  // namespace decloud::services
