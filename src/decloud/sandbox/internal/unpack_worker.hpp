#pragma once

#include "confine.hpp"

#include <decloud/base/bytes.hpp>

#include <cstdint>
#include <string>

namespace decloud::sandbox::internal {

/// The job of `worker unpack`, sent with two descriptors: the zip file in sealed memory and the
/// empty folder to unpack into.
[[nodiscard]] Bytes make_unpack_request(const std::string& entry, std::uint64_t total_bytes);

/// Confines itself to the folder and unpacks: files 0444 or 0555, folders 0555, with empty `dev`,
/// `proc` and `tmp` to mount on.
[[nodiscard]] int unpack_worker_main(int socket, const AcceptedLayers& accepted);

}  // namespace decloud::sandbox::internal
