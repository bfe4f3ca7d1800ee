#pragma once

#include <decloud/net/http/message.hpp>

#include <string>
#include <string_view>

namespace decloud::gateway::internal {

/// Keeps a provider's answer from acting on other providers' pages: takes away what would govern
/// the gateway's host (Alt-Svc, Service-Worker-Allowed, …) and the Domain of cookies. With a
/// `shared_prefix` ("/p/alice") the origin belongs to all providers: cookies are confined to the
/// prefix, and pages get the sandbox of design §4.
void guard_response(net::http::Headers& headers, std::string_view shared_prefix);

/// One Set-Cookie value without Domain, and with a Path under `shared_prefix` if that is not empty.
[[nodiscard]] std::string confine_cookie(std::string_view cookie, std::string_view shared_prefix);

/// Takes from trailers what must not be there: framing, routing, and what the gateway itself says.
void guard_trailers(net::http::Headers& trailers);

}  // namespace decloud::gateway::internal
