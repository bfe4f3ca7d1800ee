#pragma once

#include "ethereum.hpp"
#include "head_follower.hpp"
#include "transaction_signer.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace decloud::chain {

/// Where a sender keeps what it is about to send. `save` and `remove` return once the change is
/// durable.
class SenderJournal {
  public:
    virtual ~SenderJournal() = default;
    /// Replaces what is there under `key`, an intent.
    [[nodiscard]] virtual async::Task<Result<void>> save(std::string key, Bytes record) = 0;
    /// No error if there is none.
    [[nodiscard]] virtual async::Task<Result<void>> remove(std::string key) = 0;
    /// Every key with its record, in any order.
    [[nodiscard]] virtual async::Task<Result<std::vector<std::pair<std::string, Bytes>>>>
    load_all() = 0;
};

/// Keeps records in memory: for one command that waits for its own transactions.
[[nodiscard]] std::unique_ptr<SenderJournal> make_memory_journal();

/// What is to be sent; nonce, gas and fees are the sender's.
struct TransactionRequest {
    /// Names what is to happen: a second submit with the same key joins the first, also after a
    /// restart, and never sends twice. At most 128 bytes.
    std::string intent{};
    /// None: creates a contract.
    std::optional<Address> to{};
    Bytes data{};
    Uint128 value = 0;
};

/// How a final transaction ended. `contract`: the one it created.
struct TransactionOutcome {
    Bytes32 hash{};
    std::uint64_t block_number = 0;
    std::uint64_t gas_used = 0;
    std::optional<Address> contract{};
};

/// What is known once a transaction is written down and broadcast.
struct SentTransaction {
    Bytes32 hash{};
    /// Where the contract will be, if it creates one.
    std::optional<Address> contract{};
};

/// What a sender signs for, offers and waits.
struct TransactionSenderSettings {
    std::uint64_t chain_id = 0;
    /// Without a receipt for this long a transaction is replaced at a higher price.
    std::chrono::steady_clock::duration stuck_after = std::chrono::seconds(60);
    /// Never offers more wei per gas.
    Uint128 max_fee_per_gas = Uint128{1'000'000'000} * 1000;
    /// How long `submit` waits for the outcome; the transaction goes on afterwards.
    std::chrono::steady_clock::duration wait = std::chrono::minutes(10);
};

/// Sends transactions of one account until they are final: one nonce after the other, written to
/// the journal before the broadcast, sent again when dropped or reorganised away, replaced on the
/// same nonce with at least 10 % more when stuck. A nonce that a reorganisation of final blocks
/// made free again is taken by an empty transfer. Only one sender per account may exist. Single
/// threaded; run `run()` in a TaskGroup.
class TransactionSender {
  public:
    /// All of them outlive this.
    TransactionSender(async::Executor executor,
        EthereumClient& client,
        HeadFollower& head,
        SenderJournal& journal,
        const crypto::Secp256k1PrivateKey& key,
        TransactionSenderSettings settings);
    /// The same for who signs elsewhere.
    TransactionSender(async::Executor executor,
        EthereumClient& client,
        HeadFollower& head,
        SenderJournal& journal,
        TransactionSigner& signer,
        TransactionSenderSettings settings);
    ~TransactionSender();
    TransactionSender(const TransactionSender&) = delete;
    TransactionSender& operator=(const TransactionSender&) = delete;

    /// Takes up what the journal holds. Before anything else.
    [[nodiscard]] async::Task<Result<void>> start();
    /// Drives what is pending, with every new head, until cancelled.
    [[nodiscard]] async::Task<void> run();

    /// Returns when the transaction is in the journal and was broadcast, or is to be. A later one
    /// may build on it: it is estimated on the pending state. Errors: reverted (with the reason,
    /// and nothing was sent), insufficient_funds, unreachable, and the journal's.
    [[nodiscard]] async::Task<Result<SentTransaction>> send(TransactionRequest request);
    /// The outcome of an intent that was sent. Errors: not_found, and `submit`'s.
    [[nodiscard]] async::Task<Result<TransactionOutcome>> wait(std::string intent);

    /// `send` and `wait`. Returns when the transaction is in a block at the head follower's depth.
    /// Errors: reverted (with the reason; found before sending it costs nothing), replaced,
    /// insufficient_funds, timeout (it is still tracked), unreachable (nothing was sent), and the
    /// journal's.
    [[nodiscard]] async::Task<Result<TransactionOutcome>> submit(TransactionRequest request);

    /// Takes a final intent's outcome off the journal. Error: conflict if it is not final.
    [[nodiscard]] async::Task<Result<void>> forget(std::string intent);
    /// Takes every outcome that became final in a block up to this one off the journal, also those
    /// that nobody waits for any longer, and those that failed for good.
    [[nodiscard]] async::Task<Result<void>> forget_final(std::uint64_t block);

    /// How many are not final yet.
    [[nodiscard]] std::size_t pending() const;
    /// The account that it sends for.
    [[nodiscard]] const Address& address() const;
    /// How often a transaction was sent again or replaced; for metrics.
    [[nodiscard]] std::uint64_t resent() const;
    [[nodiscard]] std::uint64_t replaced() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace decloud::chain
