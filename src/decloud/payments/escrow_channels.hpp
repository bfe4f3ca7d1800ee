#pragma once

#include "channel_directory.hpp"
#include "ledger.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/chain/escrow.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::payments {

struct EscrowChannelsSettings {
    Address provider;
    AssetId asset;
    /// Where the escrow was deployed; nothing before it is read.
    std::uint64_t first_block = 0;
};

/// Follows the escrow: tells the ledger about every channel and trial of this provider as of the
/// newest final block. Single threaded; run `run()` in a TaskGroup.
class EscrowChannels final : public ChannelDirectory {
  public:
    /// All of them outlive this.
    EscrowChannels(async::Executor executor,
        chain::EthereumClient& client,
        chain::HeadFollower& head,
        chain::EscrowView& escrow,
        Ledger& ledger,
        const Clock& clock,
        EscrowChannelsSettings settings);

    /// Follows until cancelled. An unreachable chain is tried again.
    [[nodiscard]] async::Task<void> run();
    /// Takes over everything up to the newest final block. Errors: the chain's.
    [[nodiscard]] async::Task<Result<void>> catch_up();
    /// Waits until events up to `block` were taken over. Error: timeout.
    [[nodiscard]] async::Task<Result<void>> wait_for(
        std::uint64_t block, std::chrono::steady_clock::duration limit);

    [[nodiscard]] async::Task<Result<PayerMoney>> find(Address payer) override;
    [[nodiscard]] std::optional<std::string> suspended() const override;

    /// One payer's channel, for the operator.
    struct Known {
        Address payer;
        PayerMoney money;
    };
    [[nodiscard]] std::vector<Known> known() const;

  private:
    struct Entry {
        std::optional<PayerMoney::Channel> channel;
        UnixSeconds trial_expires;
        bool has_trial = false;
    };

    [[nodiscard]] async::Task<Result<void>> read_events(std::uint64_t from, std::uint64_t to);
    [[nodiscard]] async::Task<Result<void>> read_channel(Bytes32 id, std::uint64_t block);
    [[nodiscard]] async::Task<Result<void>> read_trial(Address user, std::uint64_t block);
    [[nodiscard]] async::Task<Result<void>> ask(Address payer);
    void note_events(const std::vector<chain::Log>& logs);

    chain::EthereumClient& client_;
    chain::HeadFollower& head_;
    chain::EscrowView& escrow_;
    Ledger& ledger_;
    const Clock& clock_;
    EscrowChannelsSettings settings_;
    async::Event changed_;
    /// The block up to which events were taken over, if any.
    std::optional<std::uint64_t> followed_;
    std::unordered_map<Address, Entry> payers_;
    std::unordered_map<Bytes32, Address> channels_;
    /// Asked in vain, and at which block.
    std::unordered_map<Address, std::uint64_t> unknown_;
    std::set<Bytes32> dirty_channels_;
    std::set<Address> dirty_trials_;
};

}  // namespace decloud::payments
