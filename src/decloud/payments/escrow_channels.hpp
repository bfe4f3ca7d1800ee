#pragma once

#include "channel_directory.hpp"
#include "ledger.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/chain/escrow.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::payments {

namespace internal {
class EscrowRecords;
struct BlockMark;
}  // namespace internal

/// Whose channels are followed, from which block on, and how payers are asked for.
struct EscrowChannelsSettings {
    Address provider;
    AssetId asset;
    /// Where the escrow was deployed; nothing before it is read.
    std::uint64_t first_block = 0;
    /// Questions about single payers that are with the chain at once.
    std::size_t max_questions = 8;
    /// How long a question waits for its turn.
    std::chrono::steady_clock::duration patience = std::chrono::seconds(5);
};

/// Follows the escrow: tells the ledger about every channel and trial of this provider as of the
/// newest final block. How far it came is kept in the node's records with the hashes of blocks, so
/// that a start reads only what is new, and a reorganisation of what was final is noticed: then it
/// goes back to a block that is still there. Single threaded; run `run()` in a TaskGroup.
class EscrowChannels final : public ChannelDirectory {
  public:
    /// All of them outlive this; `records` is used on `pool`.
    EscrowChannels(async::Executor executor,
        chain::EthereumClient& client,
        chain::HeadFollower& head,
        chain::EscrowView& escrow,
        Ledger& ledger,
        const Clock& clock,
        store::RecordStore& records,
        boost::asio::thread_pool& pool,
        EscrowChannelsSettings settings);
    ~EscrowChannels() override;
    EscrowChannels(const EscrowChannels&) = delete;
    EscrowChannels& operator=(const EscrowChannels&) = delete;

    /// Takes up where the last process stopped. Before anything else. Errors:
    /// StoreError::newer_format, damaged, database.
    [[nodiscard]] async::Task<Result<void>> start();
    /// Follows until cancelled. An unreachable chain is tried again.
    [[nodiscard]] async::Task<void> run();
    /// Takes over everything up to the newest final block. Errors: the chain's.
    [[nodiscard]] async::Task<Result<void>> catch_up();
    /// Waits until events up to `block` were taken over. Error: timeout.
    [[nodiscard]] async::Task<Result<void>> wait_for(
        std::uint64_t block, std::chrono::steady_clock::duration limit);
    /// The block up to which events were taken over, if any.
    [[nodiscard]] std::optional<std::uint64_t> followed() const { return followed_; }

    [[nodiscard]] async::Task<Result<PayerMoney>> find(Address payer) override;
    [[nodiscard]] std::optional<PayerMoney> find_known(const Address& payer) const override;
    [[nodiscard]] async::Task<Result<void>> find_channel(Bytes32 id) override;
    [[nodiscard]] async::Task<Result<void>> refresh(Address payer) override;
    [[nodiscard]] std::optional<std::string> suspended() const override;

    /// When a channel was opened; the beginning of time for what is not a channel known here.
    [[nodiscard]] UnixSeconds opened(const PayerAccount& account) const;

  private:
    struct Entry {
        std::optional<PayerMoney::Channel> channel;
        /// Of which block `channel` is.
        std::uint64_t channel_block = 0;
        UnixSeconds trial_expires;
        bool has_trial = false;
    };
    struct Question;
    /// Of whom or what, and whether the newest block is asked.
    using QuestionKey = std::pair<std::string, bool>;

    [[nodiscard]] async::Task<Result<void>> read_events(std::uint64_t from, std::uint64_t to);
    void note_events(const std::vector<chain::Log>& logs);
    void note_channel_event(const chain::Log& entry);
    [[nodiscard]] bool is_known(const Bytes32& channel) const;
    [[nodiscard]] async::Task<Result<void>> read_dirty(std::uint64_t block);
    [[nodiscard]] async::Task<Result<void>> read_channel(Bytes32 id, std::uint64_t block);
    [[nodiscard]] async::Task<Result<void>> take_over(
        chain::ChannelState channel, std::uint64_t block);
    [[nodiscard]] async::Task<Result<void>> read_trial(Address user, std::uint64_t block);
    void note_channel(const Address& payer, PayerMoney::Channel channel, std::uint64_t block);

    [[nodiscard]] async::Task<Result<void>> go_back_if_reorganised();
    void mark_everything_dirty();
    void restore();
    [[nodiscard]] async::Task<Result<void>> remember(chain::BlockHeader block, bool changed);

    /// `answer` runs once for all who ask the same at the same time.
    [[nodiscard]] async::Task<Result<void>> ask(
        QuestionKey key, std::function<async::Task<Result<void>>()> answer);
    [[nodiscard]] async::Task<Result<std::uint64_t>> block_to_ask(bool newest);
    [[nodiscard]] async::Task<Result<void>> ask_payer(Address payer, bool newest);
    [[nodiscard]] async::Task<Result<void>> ask_channel(Bytes32 id);

    async::Executor executor_;
    chain::EthereumClient& client_;
    chain::HeadFollower& head_;
    chain::EscrowView& escrow_;
    Ledger& ledger_;
    const Clock& clock_;
    EscrowChannelsSettings settings_;
    std::unique_ptr<internal::EscrowRecords> records_;
    chain::HeadFollower::Subscription reorganisations_;
    async::Event changed_;
    async::Event question_ended_;
    std::optional<std::uint64_t> followed_;
    /// Up to which events are being read.
    std::uint64_t reading_ = 0;
    std::vector<internal::BlockMark> marks_;
    /// The newest mark is still to be compared with the chain.
    bool verified_ = false;
    bool reorganised_ = false;
    ChainMove move_ = ChainMove::forward;
    /// What the ledger knew at the start is in `payers_`.
    bool restored_ = false;
    std::unordered_map<Address, Entry> payers_;
    std::unordered_map<Bytes32, Address> channels_;
    std::unordered_map<Bytes32, UnixSeconds> opened_;
    std::unordered_map<Address, UnixSeconds> trial_ends_;
    /// Asked in vain, and at which block.
    std::unordered_map<Address, std::uint64_t> unknown_;
    std::unordered_map<Bytes32, std::uint64_t> unknown_channels_;
    std::map<QuestionKey, std::shared_ptr<Question>> questions_;
    std::set<Bytes32> dirty_channels_;
    std::set<Address> dirty_trials_;
};

}  // namespace decloud::payments
