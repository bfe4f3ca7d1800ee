#pragma once

#include <decloud/protocol/service.hpp>

#include <memory>

namespace decloud::pipeline::testing {

/// Charges one unit of an asset of its own for each byte of the body, after holding for the most
/// there may be.
[[nodiscard]] std::unique_ptr<protocol::Service> make_metered_service();

inline constexpr const char* kMeteredAsset = "test:bytes";

}  // namespace decloud::pipeline::testing
