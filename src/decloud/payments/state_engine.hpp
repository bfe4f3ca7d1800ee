#pragma once

#include "types.hpp"

#include <decloud/async/task.hpp>

#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <memory>
#include <vector>

namespace decloud::payments {

/// What this node may spend of one payer's money, cumulative over the life of its home.
struct Slice {
    PayerAccount payer;
    Amount granted;
};

/// Shared knowledge of how much of each payer's money every node of a fleet may spend. A node
/// leases a slice, spends from memory and its own log, and gives back what it does not need. The
/// sum granted to all nodes never passes the limit. Single threaded, on the node's executor.
class StateEngine {
  public:
    virtual ~StateEngine() = default;

    /// What this node was granted before it stopped; its log says how much of it was spent. At
    /// start.
    [[nodiscard]] virtual Result<std::vector<Slice>> resume() = 0;
    /// Grants up to `want` more while everything granted stays within `limit`; durable when it
    /// returns. Returns this node's new cumulative grant, which may be unchanged.
    [[nodiscard]] virtual async::Task<Result<Amount>> lease(
        PayerAccount payer, Amount want, Amount limit) = 0;
    /// Lowers this node's grant by what is not spent. Returns the new cumulative grant.
    [[nodiscard]] virtual async::Task<Result<Amount>> give_back(
        PayerAccount payer, Amount unspent) = 0;
};

/// One node alone: grants are rows of a SQLite file. Work on the file happens on `pool`, which must
/// outlive the engine. Errors: as store::Database::open.
[[nodiscard]] Result<std::unique_ptr<StateEngine>> make_sqlite_state_engine(
    const std::filesystem::path& path, boost::asio::thread_pool& pool);

}  // namespace decloud::payments
