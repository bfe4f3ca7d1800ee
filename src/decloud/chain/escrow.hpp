#pragma once

#include "ethereum.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace decloud::chain {

/// One channel as the escrow keeps it.
struct ChannelState {
    Bytes32 id{};
    Address payer{};
    Address provider{};
    Address signer{};
    Amount price{};
    Amount reserved{};
    Amount claimed{};
    std::uint64_t calls = 0;
    UnixSeconds opened{};
    /// 0: not closing.
    UnixSeconds close_at{};
    bool final = false;
};

/// Calls that a provider gives a user for nothing: how many, how many used, until when.
struct TrialState {
    std::uint64_t granted = 0;
    std::uint64_t used = 0;
    UnixSeconds expires{};
};

/// Reads the escrow. Every method asks the chain; errors are EthereumClient's. Single threaded.
class EscrowView {
  public:
    /// `escrow` is the contract's address; `client` outlives this.
    EscrowView(EthereumClient& client, Address escrow) : client_(client), escrow_(escrow) {}

    /// The contract's.
    [[nodiscard]] const Address& address() const { return escrow_; }
    /// The ERC-20 contract that amounts are of.
    [[nodiscard]] async::Task<Result<Address>> token();
    /// T: how long a channel takes to close.
    [[nodiscard]] async::Task<Result<std::chrono::seconds>> close_delay();
    /// What `account` has deposited and not reserved: it can withdraw it.
    [[nodiscard]] async::Task<Result<Amount>> free_balance(
        Address account, BlockTag tag = BlockTag::latest());
    /// What `provider` has claimed and not paid out.
    [[nodiscard]] async::Task<Result<Amount>> earned(
        Address provider, BlockTag tag = BlockTag::latest());
    /// The newest open pull channel of the pair; none if there is none.
    [[nodiscard]] async::Task<Result<std::optional<ChannelState>>> allowance(
        Address payer, Address provider, BlockTag tag = BlockTag::latest());
    /// Error: ChainError::not_found for an id that never was.
    [[nodiscard]] async::Task<Result<ChannelState>> channel(
        Bytes32 id, BlockTag tag = BlockTag::latest());
    /// All zeros if `provider` never granted `user` one.
    [[nodiscard]] async::Task<Result<TrialState>> trial(
        Address provider, Address user, BlockTag tag = BlockTag::latest());

  private:
    EthereumClient& client_;
    Address escrow_;
};

}  // namespace decloud::chain
