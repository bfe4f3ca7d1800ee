#pragma once

#include <string_view>

namespace decloud {

/// Of this build, as "0.1.0".
[[nodiscard]] std::string_view version();

}  // namespace decloud
