#pragma once

#include <string>
#include <string_view>

namespace decloud::client::internal {

/// `text` with its table `[name]` as it stands in `source`; everything else, comments included,
/// stays. Appended if `text` has none. Both are valid TOML without sub-tables of `[name]`.
[[nodiscard]] std::string replace_section(
    std::string_view text, std::string_view name, std::string_view source);

}  // namespace decloud::client::internal
