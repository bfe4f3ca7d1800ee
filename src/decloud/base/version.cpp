#include "version.hpp"

namespace decloud {

std::string_view version() { return DECLOUD_VERSION; }

}  // namespace decloud
