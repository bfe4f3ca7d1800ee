#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace decloud::payments::internal {

/// A final block up to which the escrow was followed.
struct BlockMark {
    std::uint64_t number = 0;
    Bytes32 hash;
    friend bool operator==(const BlockMark&, const BlockMark&) = default;
};

/// What the follower of one escrow keeps over restarts: how far it came, and what the ledger does
/// not keep of channels and trials. Forms are versioned; a newer one is refused by name. Blocking
/// work is on `pool`. Single threaded.
class EscrowRecords {
  public:
    struct Loaded {
        /// Oldest first; empty if another escrow or provider was followed before, or none.
        std::vector<BlockMark> marks;
        std::unordered_map<Bytes32, UnixSeconds> opened;
        std::unordered_map<Address, UnixSeconds> trial_ends;
    };

    /// Both outlive this.
    EscrowRecords(store::RecordStore& records,
        boost::asio::thread_pool& pool,
        Address escrow,
        Address provider);

    /// Errors: StoreError::newer_format, damaged, database.
    [[nodiscard]] async::Task<Result<Loaded>> load();
    [[nodiscard]] async::Task<Result<void>> save_marks(std::vector<BlockMark> marks);
    [[nodiscard]] async::Task<Result<void>> save_opened(Bytes32 channel, UnixSeconds opened);
    [[nodiscard]] async::Task<Result<void>> save_trial_end(Address user, UnixSeconds end);

  private:
    [[nodiscard]] async::Task<Result<void>> put(std::string key, Bytes value);

    store::RecordStore& records_;
    boost::asio::thread_pool& pool_;
    Address escrow_;
    Address provider_;
};

/// Adds the newest mark and drops some of the older ones, the more the older they are. The first
/// stays, so that another chain is told from a reorganisation.
void add_mark(std::vector<BlockMark>& marks, BlockMark mark);

}  // namespace decloud::payments::internal
