#pragma once

#include <system_error>

namespace decloud {

/// What is wrong with a signature, a delegation, a name, a JWE or a key file.
enum class IdentityError {
    /// The signature is malformed or another account made it.
    bad_signature = 1,
    expired,
    not_yet_valid,
    /// A delegation that is not for this node or this key, or longer than 90 days.
    wrong_delegation,
    /// Its epoch is below the lowest valid one in the resolver.
    revoked,
    /// No recipient of the JWE has a key that was offered.
    not_a_recipient,
    invalid_name,
    reserved_name,
    /// A key file that others may read, or a folder that is not ours.
    unsafe_permissions,
    /// A file of a newer decloud.
    newer_version,
    /// The key is encrypted, and nobody gave a passphrase.
    passphrase_required,
    /// It does not open the key.
    wrong_passphrase,
};

/// The code in the category "decloud.identity".
std::error_code make_error_code(IdentityError code);

}  // namespace decloud

/// Lets an IdentityError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::IdentityError> : std::true_type {};
