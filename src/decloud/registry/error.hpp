#pragma once

#include <decloud/base/result.hpp>

namespace decloud::registry {

/// Why a provider's name leads nowhere.
enum class RegistryError {
    /// Nobody has registered the name, or it has no resolver or address.
    unknown_provider = 1,
    /// The provider's record is there, but its URL or key cannot be used; the detail says why.
    unusable_record,
    /// The chain did not answer and the name is not in the cache, or too many names are being
    /// looked up: try again.
    unavailable,
};

/// The code in the category "registry".
std::error_code make_error_code(RegistryError code);

}  // namespace decloud::registry

/// Lets a RegistryError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::registry::RegistryError> : std::true_type {};
