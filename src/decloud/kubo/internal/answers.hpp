#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::kubo::internal {

// What Kubo's RPC answers (docs.ipfs.tech/reference/kubo/rpc), as far as it is used here.

/// What the JSON of a failed command says, without control characters and not too long. Error:
/// invalid_input if it is no such JSON.
[[nodiscard]] Result<std::string> read_message(std::string_view body);

/// True if the message says that a block is not in Kubo's own repository.
[[nodiscard]] bool says_missing(std::string_view message);

/// True if the message says that something is not pinned.
[[nodiscard]] bool says_not_pinned(std::string_view message);

/// How many blocks `dag/import` has taken. Error: invalid_input.
[[nodiscard]] Result<std::uint64_t> read_imported_blocks(std::string_view body);

/// What the members of `version` say. Error: invalid_input.
[[nodiscard]] Result<std::string> read_version(std::string_view body);

/// True if the value of the setting `Datastore.Spec` has a store of files that are not synced.
/// Error: invalid_input.
[[nodiscard]] Result<bool> read_is_unsynced(std::string_view body);

}  // namespace decloud::kubo::internal
