#pragma once

#include <decloud/base/result.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace decloud::policy {

/// Longest id that is looked at.
inline constexpr std::size_t kMaxIdText = 256;

/// The one spelling of a credential's id, made in place; the result is a part of `text`:
/// "did:…" as it is, an Ethereum address ("0x…", "eip155:1:0x…") as "0x" and lower-case digits, a
/// Bitcoin address as it is, or in lower case if it is bech32. Error: invalid_input.
[[nodiscard]] Result<std::string_view> normalise_id(std::string& text);
/// The same for a part of a longer text that the caller owns.
[[nodiscard]] Result<std::string_view> normalise_id(char* begin, std::size_t size);

/// The kind of credential whose ids look like that: "opencloud", "ethereum" or "bitcoin".
[[nodiscard]] std::string_view kind_of(std::string_view normalised);

/// What two spellings of a content id have in common: the bytes of its multihash. Error:
/// invalid_input.
[[nodiscard]] Result<std::string> content_key(std::string_view cid);

/// A registered name or label: 1 to 255 characters of lower-case letters, digits, `-`, `_` and `.`;
/// made lower-case. Error: invalid_input.
[[nodiscard]] Result<std::string> normalise_name(std::string_view text);

}  // namespace decloud::policy
