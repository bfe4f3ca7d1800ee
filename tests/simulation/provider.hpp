#pragma once

#include "bounds.hpp"
#include "chain.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/chain/deployment.hpp>
#include <decloud/chain/escrow.hpp>
#include <decloud/chain/head_follower.hpp>
#include <decloud/chain/transaction_sender.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/payments/escrow_channels.hpp>
#include <decloud/payments/ledger.hpp>
#include <decloud/payments/settler.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace decloud::simulation {

/// Virtual time between two looks at everything.
inline constexpr std::chrono::seconds kStep{600};

/// What is configured of the escrow and the node, and what is taken out of it.
struct Limits {
    Amount channel{Uint128{3'000'000}};
    Amount identity{Uint128{5'000'000}};
    Amount node{Uint128{18'000'000}};
    /// Settled at this sum, or after this time.
    Amount threshold{Uint128{1'000'000}};
    std::chrono::seconds age = 20 * kStep;
    /// T.
    std::chrono::seconds delay = 36 * kStep;
    /// Of payers with a provider whom they do not know.
    Amount budget{Uint128{2'000'000}};
};

/// The honest provider: the product's ledger, follower, sender and settler on a chain, and the
/// calls that it serves. What was answered is kept here a second time, in the simplest way.
class Provider {
  public:
    /// `without` is left out of what is configured, or of what is done before a call is answered.
    /// All outlive this.
    Provider(async::Executor executor, Chain& chain, ManualClock& clock, std::set<Bound> without);

    /// Deploys the contracts and starts the node.
    async::Task<void> start();
    async::Task<void> stop();
    /// Takes over what is new on the chain, and settles.
    async::Task<void> catch_up();

    /// Takes a voucher as a call brings it, whoever signed it. False if it was refused.
    bool take_voucher(
        const payments::PayerView& channel, const identity::Signed<identity::Voucher>& voucher);
    /// Serves `calls` calls of each channel, `amount` each, many at a time; a call that is refused
    /// ends its channel's.
    struct Order {
        payments::PayerAccount payer;
        Amount amount;
        std::uint64_t calls = 0;
    };
    async::Task<void> serve(std::vector<Order> orders);
    /// The same, but kill -9 comes after `answers` of them, and a new process takes over.
    async::Task<void> serve_and_be_killed(std::vector<Order> orders, std::uint64_t answers);

    [[nodiscard]] payments::Ledger& ledger() { return *ledger_; }
    [[nodiscard]] chain::HeadFollower& head() { return *head_; }
    [[nodiscard]] const chain::ContractAddresses& contracts() const { return contracts_; }
    [[nodiscard]] const Limits& limits() const { return limits_; }
    [[nodiscard]] Address address() const { return key_.address(); }
    [[nodiscard]] identity::Domain domain() const {
        return {.chain_id = 31337, .escrow = contracts_.escrow};
    }
    /// What has been answered and not been lost in a kill.
    [[nodiscard]] Amount answered(const payments::PayerAccount& payer) const;
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    /// Of the last kill: what was answered and is not charged, and how much of that was reported.
    struct Lost {
        Amount amount;
        Amount reported;
    };
    [[nodiscard]] const Lost& lost() const { return lost_; }

  private:
    /// What the servers of one batch share.
    struct Batch {
        std::vector<Order> orders;
        std::size_t next = 0;
        /// Answers until the kill; none comes if it is 0.
        std::uint64_t until_kill = 0;
        bool killed = false;
    };

    async::Task<void> open_chain();
    async::Task<void> open_ledger();
    async::Task<void> close();
    [[nodiscard]] bool has(Bound bound) const { return !without_.contains(bound); }
    async::Task<void> serve_all(Batch* batch);
    async::Task<void> serve_next(Batch* batch);
    async::Task<bool> serve_one(Batch* batch, payments::PayerAccount payer, Amount amount);
    void be_killed(Batch& batch);

    async::Executor executor_;
    Chain& chain_;
    ManualClock& clock_;
    const std::set<Bound> without_;
    Limits limits_;
    TemporaryFolder folder_;
    boost::asio::thread_pool pool_{1};
    crypto::Secp256k1PrivateKey key_;
    chain::ContractAddresses contracts_;
    std::unique_ptr<store::RecordStore> records_;
    std::unique_ptr<payments::StateEngine> engine_;
    std::unique_ptr<chain::SenderJournal> journal_;
    std::unique_ptr<chain::HeadFollower> head_;
    std::unique_ptr<chain::TransactionSender> sender_;
    std::unique_ptr<chain::EscrowView> escrow_;
    std::unique_ptr<payments::Ledger> ledger_;
    std::unique_ptr<payments::EscrowChannels> channels_;
    std::unique_ptr<payments::Settler> settler_;
    std::unique_ptr<async::TaskGroup> tasks_;
    std::unordered_map<std::string, Amount> answered_;
    std::uint64_t calls_ = 0;
    Lost lost_;
};

}  // namespace decloud::simulation
