#pragma once

#include <decloud/net/http/message.hpp>

#include <string_view>

namespace decloud::gateway::internal {

/// Takes an answer from the shared origin where its provider has it, under `prefix` ("/{cid}"), to
/// an origin of its own: cookies' paths and Location lose the prefix, and the sandbox that keeps
/// functions of one origin apart is lifted.
void give_origin(net::http::Headers& headers, std::string_view prefix);

}  // namespace decloud::gateway::internal
