#pragma once

#include "ledger.hpp"
#include "x402_mode.hpp"
#include "x402_record.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/chain/transaction_sender.hpp>
#include <decloud/store/record_store.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace decloud::payments {

/// What x402 payments are taken for, and how.
struct X402Settings {
    AssetId asset;
    Address token;
    std::uint64_t chain_id = 0;
    /// Where the money goes; of this node alone, as a payment that somebody else sent counts.
    Address pay_to;
    /// For requests without a Host.
    std::string public_url{};
    X402Mode mode = X402Mode::settled;
    /// In mode `sent`: of one payer; beyond it the answer waits.
    Amount max_unsettled{100'000};
    /// How long a payment is to be valid.
    std::chrono::seconds max_timeout{300};
    /// How long an answer waits for its transfer.
    std::chrono::steady_clock::duration answer_within = std::chrono::seconds(45);
    std::chrono::steady_clock::duration poll = std::chrono::milliseconds(200);
    std::size_t max_records = 200'000;
};

/// What the token on chain calls itself, for signatures.
struct X402Token {
    std::string name;
    std::string version;
    Bytes32 domain;
};

/// What x402 payments need. All of them outlive `X402Settlements`.
struct X402Context {
    async::Executor executor;
    Ledger& ledger;
    chain::EthereumClient& client;
    chain::HeadFollower& head;
    chain::TransactionSender& sender;
    store::RecordStore& records;
    boost::asio::thread_pool& pool;
    const Clock& clock;
};

/// Takes x402 payments to the chain and tells what became of each, also after a restart: a payment
/// is on disk before the call runs and before its transfer is broadcast. In the ledger a payer is
/// the account "x402:0x…" that has reserved what it has authorised; what the final chain has of it
/// counts as claimed. Single threaded; run `run()` in a TaskGroup, `stop` before destruction.
class X402Settlements {
  public:
    X402Settlements(X402Context context, X402Settings settings);
    ~X402Settlements();
    X402Settlements(const X402Settlements&) = delete;
    X402Settlements& operator=(const X402Settlements&) = delete;

    /// Takes up what is on disk. Errors: corrupt, StoreError's.
    [[nodiscard]] async::Task<Result<void>> start();
    /// Learns what the token is, ends what the last process left, forgets what is old.
    [[nodiscard]] async::Task<void> run();
    [[nodiscard]] async::Task<void> stop();

    [[nodiscard]] const X402Settings& settings() const { return settings_; }
    [[nodiscard]] const Clock& clock() const { return context_.clock; }
    [[nodiscard]] Ledger& ledger() { return context_.ledger; }
    /// None until the chain has told: nothing can be paid by x402 then.
    [[nodiscard]] const std::optional<X402Token>& token() const { return token_; }

    /// Null if there is none. Until the next call of any method.
    [[nodiscard]] const X402Record* find(std::string_view key) const;
    /// The key of the payment that this payer gave this identifier; null if there is none.
    [[nodiscard]] const std::string* find_identifier(
        const Address& payer, const std::string& identifier) const;

    /// Whether the transfer would succeed now. Errors: ChainError::reverted with the reason, and
    /// the chain's.
    [[nodiscard]] async::Task<Result<void>> check(X402Authorization authorization);
    /// Holds the payment's value in the payer's account. Errors: as `Ledger::acquire`.
    [[nodiscard]] async::Task<Result<HoldId>> acquire(Address payer, HoldRequest request);
    /// On disk when it resumes. Error also: PaymentError::overloaded.
    [[nodiscard]] async::Task<Result<void>> accept(std::string key, X402Record record);
    /// Sends the transfer and waits for it as the mode says. True: the answer may leave; false: the
    /// transfer takes too long or has failed. Error: nothing was sent; ChainError::reverted with
    /// the reason, or the chain's.
    [[nodiscard]] async::Task<Result<bool>> settle(std::string key);
    /// The call was charged in the ledger.
    void charged(const std::string& key, std::string receipt);
    /// The call ended without a charge: the payment is forgotten if nothing of it was sent, else
    /// `hold` is charged when it turns out to be settled. True if it was forgotten.
    [[nodiscard]] bool give_up(const std::string& key, HoldId hold);
    /// The same request was served after all.
    void answered(const std::string& key);

  private:
    struct Entry;
    using EntryPointer = std::shared_ptr<Entry>;
    struct Unsettled {
        std::uint64_t calls = 0;
        Amount amount;
    };

    [[nodiscard]] async::Task<void> learn_token();
    [[nodiscard]] async::Task<Result<X402Token>> ask_token();
    [[nodiscard]] async::Task<void> resume(EntryPointer entry);
    [[nodiscard]] async::Task<void> watch(EntryPointer entry);
    [[nodiscard]] async::Task<void> follow(EntryPointer entry);
    [[nodiscard]] async::Task<void> end_unsent(EntryPointer entry);
    [[nodiscard]] async::Task<Result<std::optional<Bytes32>>> find_use(X402Record record);
    [[nodiscard]] async::Task<void> resolve(
        EntryPointer entry, X402State state, Bytes32 transaction, bool is_final);
    [[nodiscard]] async::Task<void> charge_late(EntryPointer entry);
    [[nodiscard]] async::Task<void> claim(Address payer);
    [[nodiscard]] async::Task<Result<void>> save(EntryPointer entry);
    [[nodiscard]] async::Task<void> save_charged(EntryPointer entry);
    [[nodiscard]] async::Task<void> remove(std::string key);
    [[nodiscard]] async::Task<void> forget_old();
    [[nodiscard]] Bytes transfer(const X402Authorization& authorization) const;
    [[nodiscard]] bool may_answer_unsettled(const X402Authorization& authorization) const;
    void note_charged(Entry& entry);
    void erase(const std::string& key);

    X402Context context_;
    X402Settings settings_;
    std::optional<X402Token> token_;
    std::unordered_map<std::string, EntryPointer> entries_;
    /// "0xpayer:identifier" to the payment's key.
    std::unordered_map<std::string, std::string> identifiers_;
    /// Being held now, beside what the ledger knows.
    std::map<Address, Amount> acquiring_;
    /// Charged and not final.
    std::map<Address, Unsettled> unsettled_;
    async::TaskGroup tasks_;
};

/// The ledger's account of an x402 payer: "x402:0x…".
[[nodiscard]] PayerAccount x402_account(const Address& payer);

}  // namespace decloud::payments
