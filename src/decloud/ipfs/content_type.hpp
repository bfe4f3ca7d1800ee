#pragma once

#include <decloud/base/bytes.hpp>

#include <string_view>

namespace decloud::ipfs {

/// The media type by a file's extension, else by how its first bytes look; never empty.
[[nodiscard]] std::string_view content_type(std::string_view filename, BytesView beginning);

/// The type by the extension alone; empty if that is not known.
[[nodiscard]] std::string_view content_type_by_name(std::string_view filename);

}  // namespace decloud::ipfs
