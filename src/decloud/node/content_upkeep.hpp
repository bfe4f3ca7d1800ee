#pragma once

#include <decloud/net/http/server.hpp>
#include <decloud/services/content/content_service.hpp>

namespace decloud::node {

/// What the operator does with what is kept. `pin?cid=…&reason=…` keeps a tree that is held whole,
/// as the operator's; `unpin?cid=…&owner=…&reason=…` removes pins (without an owner the operator's,
/// without a reason all); `collect?min_age=…` (seconds) removes what nothing pins; `verify` reads
/// and hashes every block. The last two go on for a while: blanks come before their JSON, so that
/// nobody takes the node for dead. `store` is the context's; both outlive the tasks.
[[nodiscard]] async::Task<void> pin_content(
    net::http::Exchange exchange, services::ContentContext& context);
[[nodiscard]] async::Task<void> unpin_content(
    net::http::Exchange exchange, services::ContentContext& context);
[[nodiscard]] async::Task<void> collect_content(net::http::Exchange exchange,
    services::ContentContext& context,
    content::ManagedBlockStore& store);
[[nodiscard]] async::Task<void> verify_content(net::http::Exchange exchange,
    services::ContentContext& context,
    const content::ManagedBlockStore& store);

/// Lets go of what is no longer paid for, and gives the space of what nothing pins back. What fails
/// is in the log. `store` is the context's; both outlive the task.
[[nodiscard]] async::Task<void> review_content(
    services::ContentContext& context, content::ManagedBlockStore& store);

}  // namespace decloud::node
