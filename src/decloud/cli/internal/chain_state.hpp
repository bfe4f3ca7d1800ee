#pragma once

#include <filesystem>
#include <string_view>

namespace decloud::cli::internal {

/// True for one JSON object with all of its end. Only that: what is inside is anvil's.
[[nodiscard]] bool is_whole_object(std::string_view text);

/// Copies the development chain's state beside it if it is whole and has changed since: anvil
/// writes it in place, so a kill may leave half of it. Not synced: it is for killed processes.
/// Blocks.
void keep_chain_state(const std::filesystem::path& state);

/// Puts the copy in the place of a state that is not whole. True if it did. Blocks.
bool restore_chain_state(const std::filesystem::path& state);

}  // namespace decloud::cli::internal
