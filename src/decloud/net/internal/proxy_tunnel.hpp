#pragma once

#include "../http/proxy_rules.hpp"
#include "../url.hpp"
#include "socket.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

namespace decloud::net::internal {

/// Has a proxy that `socket` is connected to lead on to the host of `url` by CONNECT (RFC 9110
/// §9.3.6), and gives the socket back. No timeout of its own. Errors: connect_failed with what the
/// proxy answered, connection_closed, malformed_message.
[[nodiscard]] async::Task<Result<Socket>> open_proxy_tunnel(
    Socket socket, http::Proxy proxy, Url url);

}  // namespace decloud::net::internal
