#pragma once

#include "peer_book.hpp"

#include <decloud/protocol/service.hpp>

#include <functional>
#include <memory>

namespace decloud::services {

/// What the service `peers` needs. Outlives it.
struct PeersContext {
    PeerBook& book;
    const Clock& clock;
    /// This node's own record, as of now.
    std::function<Result<protocol::PeerRecord>()> self;
    /// Called when there is a new address to ask.
    std::function<void()> heard;
};

/// Service `peers`: `list` tells this node's own record and those of nodes that answered it;
/// `announce` takes a node's record, and asks that node before it tells others of it. Both are
/// free.
[[nodiscard]] std::unique_ptr<protocol::Service> make_peers_service(PeersContext& context);

}  // namespace decloud::services
