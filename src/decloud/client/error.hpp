#pragma once

#include <decloud/base/result.hpp>

namespace decloud {

/// What a client's own actions fail with, beyond the errors of what it uses.
enum class ClientError {
    /// The command line or a file of the user's says something that cannot be.
    usage = 1,
    /// Nothing of that name, or the other side does not have it.
    not_found,
    /// The other side does not accept who we are.
    not_authorised,
    /// Money, quota or a budget is missing (HTTP 402, 413, 429).
    payment,
    /// The owner has ended it (HTTP 410).
    gone,
    /// The other side failed (HTTP 5xx) or answered something else than asked.
    remote,
    /// A command that decloud ran failed; the detail names it.
    command,
    /// A port is in use; the detail names it and the flag.
    port_in_use,
};

/// The code in the category "decloud.client".
std::error_code make_error_code(ClientError code);

/// An error whose text ends with what mends it, on a line of its own.
[[nodiscard]] std::unexpected<Error> fail_with_help(
    ClientError code, const std::string& detail, std::string_view help);

}  // namespace decloud

/// Lets a ClientError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::ClientError> : std::true_type {};
