#pragma once

#include "../context.hpp"

#include <decloud/client/node_facts.hpp>
#include <decloud/client/opencloud_id.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace decloud::cli::internal {

/// "http://…" or "https://…".
[[nodiscard]] bool is_url(std::string_view text);

/// Who is behind `node`, a registered name or a URL, and the ways there. `session` is needed for a
/// name; where it is given, the registry's entry is looked up too if `with_provider`. Errors:
/// not_found, invalid_input, NetError.
[[nodiscard]] async::Task<Result<client::KnownNode>> find_node(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Workspace& workspace,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession* session,
    std::string node,
    bool with_provider);

/// This home's OpenCloud id; made when it is first asked for.
[[nodiscard]] Result<client::OpenCloudId> opencloud_id(
    const Context& context, const Workspace& workspace);

}  // namespace decloud::cli::internal
