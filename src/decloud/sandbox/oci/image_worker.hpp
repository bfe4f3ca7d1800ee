#pragma once

#include "../internal/confine.hpp"
#include "../types.hpp"
#include "image.hpp"

#include <decloud/base/bytes.hpp>

#include <string>

namespace decloud::sandbox::oci {

/// How an unpacked image is started, as `worker image` leaves it in the file `start` beside its
/// `root`.
struct ImageStart {
    ImageConfig config;
    ImageUser user;
    friend bool operator==(const ImageStart&, const ImageStart&) = default;
};

/// JSON, and back. Error: invalid_input.
[[nodiscard]] std::string to_text(const ImageStart& start);
[[nodiscard]] Result<ImageStart> parse_image_start(std::string_view text);

/// The job of `worker image`, sent as that of `worker unpack` is: the folder gets `root` and
/// `start`.
[[nodiscard]] int image_worker_main(int socket, const internal::AcceptedLayers& accepted);

}  // namespace decloud::sandbox::oci
