#pragma once

#include <decloud/base/result.hpp>

namespace decloud::net {

/// What goes wrong between this machine and another one.
enum class NetError {
    /// The port or socket path is in use; the detail names it.
    address_in_use = 1,
    /// No address for the host name.
    name_not_found,
    /// No connection: refused, unreachable or not in time.
    connect_failed,
    /// The outbound policy does not allow the address.
    address_forbidden,
    /// The TLS handshake or the certificate check failed.
    tls_failed,
    /// The peer ended the connection, or we did, in the middle of something.
    connection_closed,
    /// The peer sent what is not HTTP/1.1 as we accept it.
    malformed_message,
    /// The request's body source failed, so the request was not completed.
    body_source_failed,
    /// The calls on an Exchange or Stream came in a wrong order, or after its handler returned.
    wrong_state,
};

/// The code in the category "decloud.net".
std::error_code make_error_code(NetError code);

}  // namespace decloud::net

/// Lets a NetError become a std::error_code and an Error by itself.
template <>
struct std::is_error_code_enum<decloud::net::NetError> : std::true_type {};
