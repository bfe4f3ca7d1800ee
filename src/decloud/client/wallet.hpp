#pragma once

#include "account_signer.hpp"
#include "chain_session.hpp"

#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/chain/transaction_sender.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/store/home_lock.hpp>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::client {

/// One transaction of several that are sent together.
struct PlannedTransaction {
    /// For errors: "deposit".
    std::string what;
    Address to;
    Bytes data;
    Uint128 value = 0;
};

/// Sends one account's transactions and waits until they are final. One process at a time per
/// account. Single threaded; `stop` before destruction.
class Wallet {
  public:
    /// `folder` is the home's `wallets()`. Errors: StoreError::in_use if another process sends for
    /// this account; `check_key`'s. `session` outlives it.
    [[nodiscard]] static async::Task<Result<std::unique_ptr<Wallet>>> open(
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
        ChainSession& session,
        std::filesystem::path folder,
        AccountSigner signer);
    ~Wallet();
    Wallet(const Wallet&) = delete;
    Wallet& operator=(const Wallet&) = delete;

    /// The account, and who signs for it; live as long as the wallet.
    [[nodiscard]] const Address& address() const { return signer_.address(); }
    [[nodiscard]] const AccountSigner& signer() const { return signer_; }
    /// What sends for the account. Lives as long as the wallet.
    [[nodiscard]] chain::TransactionSender& sender() { return *sender_; }

    /// All of them in this order, each built on those before it, and waits for the last. Sends no
    /// more after an error.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> send_all(
        std::vector<PlannedTransaction> transactions);
    /// One transaction to `to`.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> send(
        std::string what, Address to, Bytes data, Uint128 value = 0);

    /// Money of the token into the escrow: the token's approval if it is needed, then deposit.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> deposit(Amount amount);
    /// Takes free money out of the escrow, to the account itself or `to`.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> withdraw(
        Amount amount, std::optional<Address> to);
    /// Reserves `budget` for `provider` at `price` a call.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> approve(
        Address provider, Amount price, Amount budget);
    /// Reserves `amount` more on an open channel.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> increase(
        Bytes32 channel, Amount amount);
    /// Starts to close a channel: `finalize_close` is possible after the escrow's close delay.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> request_close(Bytes32 channel);
    /// Ends a channel; what was reserved and not claimed is free again.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> finalize_close(Bytes32 channel);
    /// All that this provider account has earned, to itself or `to`.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> payout(std::optional<Address> to);
    /// Gives `user` more free calls with this provider account, all of them until `expires`.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> grant_trial(
        Address user, std::uint64_t calls, UnixSeconds expires);
    /// Lets `settler` claim for this provider account until `expires`.
    [[nodiscard]] async::Task<Result<chain::TransactionOutcome>> set_settler(
        Address settler, UnixSeconds expires);

    /// Stops following transactions; those that were sent may still become final.
    [[nodiscard]] async::Task<void> stop();

  private:
    Wallet(ChainSession& session, store::HomeLock lock, AccountSigner signer);
    [[nodiscard]] async::Task<Result<void>> start();

    ChainSession& session_;
    store::HomeLock lock_;
    AccountSigner signer_;
    std::unique_ptr<chain::SenderJournal> journal_;
    std::unique_ptr<chain::TransactionSender> sender_;
    async::TaskGroup tasks_;
};

/// Error: ClientError::not_authorised for a published development key on a chain that is not this
/// machine's.
[[nodiscard]] Result<void> check_key(const Address& account, const ChainConfig& chain);

/// A channel of a payer.
struct ChannelReport {
    Bytes32 id;
    Address provider;
    Amount price;
    Amount reserved;
    Amount claimed;
    /// Claimed, or what our own node has served if that is more.
    Amount spent;
    std::uint64_t calls = 0;
    UnixSeconds opened;
    /// 0: not closing.
    UnixSeconds close_at;
    /// As payments::is_running_low says.
    bool running_low = false;
};

/// What `read_escrow` found, in the escrow's token.
struct EscrowReport {
    Amount free;
    /// Open and closing channels, newest first.
    std::vector<ChannelReport> channels;
};

/// Money of `payer`: free, and every channel it opened that is not final. `served` is what our own
/// node says was spent, by channel.
[[nodiscard]] async::Task<Result<EscrowReport>> read_escrow(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Address payer,
    std::map<Bytes32, Amount> served,
    UnixSeconds now);

}  // namespace decloud::client
