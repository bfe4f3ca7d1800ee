#pragma once

#include <decloud/net/http/message.hpp>
#include <decloud/sandbox/cgi.hpp>

#include <string>
#include <string_view>

namespace decloud::services {

/// A program's head as the world gets it (design §4): no reserved header, cookies bound to the
/// deployment's prefix, and the policy that keeps programs of one origin apart.
[[nodiscard]] net::http::ResponseHead function_response_head(
    const sandbox::CgiHead& head, std::string_view prefix);

/// `Set-Cookie` without Domain and with `Path` = `prefix`.
[[nodiscard]] std::string bind_cookie(std::string_view cookie, std::string_view prefix);

}  // namespace decloud::services
