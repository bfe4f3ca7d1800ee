#include "transaction_sender.hpp"

#include "internal/sender_record.hpp"

#include <decloud/async/event.hpp>
#include <decloud/base/log.hpp>

#include <algorithm>
#include <map>
#include <ranges>

namespace decloud::chain {

using internal::SenderRecord;

namespace {

constexpr std::chrono::seconds kDriveEvery{1};
constexpr std::size_t kMaxIntent = 128;
constexpr std::uint64_t kGasOfTransfer = 21'000;
// Pools refuse a replacement below 10 % more of both prices.
constexpr Uint128 kRaiseNumerator = 9;
constexpr Uint128 kRaiseDenominator = 8;

bool is(const Error& error, ChainError code) { return error == make_error_code(code); }

bool is_transient(const Error& error) {
    return is(error, ChainError::unreachable) || is(error, ChainError::timeout) ||
           is(error, ChainError::not_ready) || is(error, ChainError::invalid_response);
}

Uint128 raised(Uint128 price) { return price * kRaiseNumerator / kRaiseDenominator + 1; }

class MemoryJournal final : public SenderJournal {
  public:
    async::Task<Result<void>> save(std::string key, Bytes record) override {
        records_.insert_or_assign(std::move(key), std::move(record));
        co_return Result<void>{};
    }
    async::Task<Result<void>> remove(std::string key) override {
        records_.erase(key);
        co_return Result<void>{};
    }
    async::Task<Result<std::vector<std::pair<std::string, Bytes>>>> load_all() override {
        co_return std::vector<std::pair<std::string, Bytes>>(records_.begin(), records_.end());
    }

  private:
    std::map<std::string, Bytes> records_;
};

}  // namespace

std::unique_ptr<SenderJournal> make_memory_journal() { return std::make_unique<MemoryJournal>(); }

struct TransactionSender::Impl {
    struct Entry {
        Entry(SenderRecord record_in, const async::Executor& executor)
            : record(std::move(record_in)), done(executor) {}
        SenderRecord record;
        async::Event done;
        // Not yet to be driven: the journal may not have it.
        bool launching = false;
        // In a block when last looked at, though not in a final one.
        bool seen = false;
        std::chrono::steady_clock::time_point priced = std::chrono::steady_clock::now();
    };
    using EntryPointer = std::shared_ptr<Entry>;

    Impl(async::Executor executor_in,
        EthereumClient& client_in,
        HeadFollower& head_in,
        SenderJournal& journal_in,
        TransactionSigner& signer_in,
        TransactionSenderSettings settings_in)
        : executor(std::move(executor_in)),
          client(client_in),
          head(head_in),
          journal(journal_in),
          signer(signer_in),
          settings(settings_in),
          turn(executor) {}

    async::Executor executor;
    EthereumClient& client;
    HeadFollower& head;
    SenderJournal& journal;
    // Of a sender that was made with a key.
    std::unique_ptr<TransactionSigner> own_signer;
    TransactionSigner& signer;
    TransactionSenderSettings settings;
    std::map<std::string, EntryPointer> entries;
    std::uint64_t next_nonce = 0;
    std::uint64_t resent = 0;
    std::uint64_t replaced = 0;
    // What the chain wanted next when it was last seen to want less than is under way.
    std::optional<std::uint64_t> gap;
    // One transaction at a time goes from nonce to broadcast, so that a failure leaves no gap.
    bool busy = false;
    async::Event turn;

    [[nodiscard]] std::size_t pending() const;
    [[nodiscard]] async::Task<Result<void>> save(EntryPointer entry);
    [[nodiscard]] async::Task<Result<void>> take_turn();
    void end_turn();
    [[nodiscard]] async::Task<Result<Transaction>> prepare(TransactionRequest request);
    [[nodiscard]] async::Task<Result<EntryPointer>> launch(TransactionRequest request);
    [[nodiscard]] async::Task<Result<EntryPointer>> launch_in_turn(TransactionRequest request);
    [[nodiscard]] async::Task<Result<void>> broadcast(EntryPointer entry);
    [[nodiscard]] async::Task<Result<TransactionOutcome>> outcome(EntryPointer entry);

    [[nodiscard]] async::Task<void> drive_all();
    [[nodiscard]] async::Task<Result<void>> fill_gap(std::uint64_t lowest);
    [[nodiscard]] async::Task<Result<void>> fill(std::uint64_t nonce);
    [[nodiscard]] async::Task<Result<void>> drive(EntryPointer entry);
    [[nodiscard]] async::Task<Result<std::optional<TransactionReceipt>>> find_receipt(
        EntryPointer entry);
    [[nodiscard]] async::Task<Result<void>> settle(EntryPointer entry, TransactionReceipt receipt);
    [[nodiscard]] async::Task<Result<void>> finish(EntryPointer entry);
    [[nodiscard]] async::Task<Result<void>> chase(EntryPointer entry);
    [[nodiscard]] async::Task<Result<bool>> lost_nonce(EntryPointer entry);
    [[nodiscard]] async::Task<Result<void>> replace(EntryPointer entry);
    [[nodiscard]] async::Task<std::string> revert_reason(
        EntryPointer entry, std::uint64_t block_number);
};

std::size_t TransactionSender::Impl::pending() const {
    return static_cast<std::size_t>(std::ranges::count_if(entries, [](const auto& item) {
        return item.second->record.state == SenderRecord::State::pending;
    }));
}

async::Task<Result<void>> TransactionSender::Impl::save(EntryPointer entry) {
    return journal.save(entry->record.intent, internal::to_bytes(entry->record));
}

async::Task<Result<void>> TransactionSender::Impl::take_turn() {
    const auto end = std::chrono::steady_clock::now() + settings.wait;
    while (busy) {
        turn.reset();
        CO_TRY_VOID(co_await turn.wait(end - std::chrono::steady_clock::now()));
    }
    busy = true;
    co_return Result<void>{};
}

void TransactionSender::Impl::end_turn() {
    busy = false;
    turn.set();
}

async::Task<Result<Transaction>> TransactionSender::Impl::prepare(TransactionRequest request) {
    CO_TRY(const std::uint64_t gas, co_await client.estimate_gas({.from = signer.address(),
                                        .to = request.to,
                                        .data = request.data,
                                        .value = request.value}));
    CO_TRY(const Fees fees, co_await client.fees());
    if (pending() == 0) {
        // Nothing of ours is under way: the chain knows best, also after it was reset.
        CO_TRY(next_nonce, co_await client.nonce(signer.address(), BlockTag::pending()));
    }
    co_return Transaction{.chain_id = settings.chain_id,
        .nonce = next_nonce,
        .max_priority_fee_per_gas = fees.max_priority_fee_per_gas,
        .max_fee_per_gas = std::min(fees.max_fee_per_gas, settings.max_fee_per_gas),
        // State may change before it is mined.
        .gas_limit = gas + gas / 4,
        .to = request.to,
        .value = request.value,
        .data = std::move(request.data),
        .access_list = {}};
}

async::Task<Result<TransactionSender::Impl::EntryPointer>> TransactionSender::Impl::launch_in_turn(
    TransactionRequest request) {
    const std::string intent = request.intent;
    if (const auto known = entries.find(intent); known != entries.end()) {
        co_return known->second;
    }
    SenderRecord record{.intent = intent};
    CO_TRY(record.transaction, co_await prepare(std::move(request)));
    CO_TRY(const SignedTransaction signed_transaction, signer.sign(record.transaction));
    record.raw = signed_transaction.raw;
    record.hashes.push_back(signed_transaction.hash);
    const auto entry = std::make_shared<Entry>(std::move(record), executor);
    entry->launching = true;
    entries.emplace(intent, entry);
    next_nonce = entry->record.transaction.nonce + 1;
    auto sent = co_await save(entry);
    if (sent) {
        sent = co_await broadcast(entry);
    }
    if (!sent && !is_transient(sent.error()) && !is(sent.error(), ChainError::nonce_too_low)) {
        // Not kept, or refused in so many words: it is in no pool, and the nonce is free again.
        entries.erase(intent);
        next_nonce = entry->record.transaction.nonce;
        CO_TRY_VOID(co_await journal.remove(intent));
        co_return fail(std::move(sent.error()));
    }
    entry->launching = false;
    co_return entry;
}

async::Task<Result<TransactionSender::Impl::EntryPointer>> TransactionSender::Impl::launch(
    TransactionRequest request) {
    if (request.intent.empty() || request.intent.size() > kMaxIntent) {
        co_return fail(CommonError::invalid_input, "an intent has 1 to 128 bytes");
    }
    CO_TRY_VOID(co_await take_turn());
    struct EndTurn {
        Impl* impl;
        explicit EndTurn(Impl* impl_in) : impl(impl_in) {}
        EndTurn(const EndTurn&) = delete;
        EndTurn& operator=(const EndTurn&) = delete;
        ~EndTurn() { impl->end_turn(); }
    } const end(this);
    co_return co_await launch_in_turn(std::move(request));
}

async::Task<Result<void>> TransactionSender::Impl::broadcast(EntryPointer entry) {
    auto hash = co_await client.send_raw_transaction(entry->record.raw);
    if (!hash && !is(hash.error(), ChainError::already_known)) {
        co_return fail(std::move(hash.error()));
    }
    co_return Result<void>{};
}

async::Task<Result<TransactionOutcome>> TransactionSender::Impl::outcome(EntryPointer entry) {
    if (auto waited = co_await entry->done.wait(settings.wait); !waited) {
        if (waited.error() == make_error_code(CommonError::cancelled)) {
            co_return fail(std::move(waited.error()));
        }
        co_return fail(ChainError::timeout,
            "transaction " + to_string(entry->record.hashes.back()) + " is not final yet");
    }
    const SenderRecord& record = entry->record;
    if (record.state == SenderRecord::State::failed) {
        co_return fail(static_cast<ChainError>(record.error), record.reason);
    }
    co_return TransactionOutcome{.hash = record.mined_hash,
        .block_number = record.block_number,
        .gas_used = record.gas_used,
        .contract = record.contract};
}

async::Task<void> TransactionSender::Impl::drive_all() {
    std::vector<EntryPointer> open;
    for (const auto& [intent, entry] : entries) {
        if (entry->record.state == SenderRecord::State::pending && !entry->launching) {
            open.push_back(entry);
        }
    }
    std::ranges::sort(
        open, {}, [](const EntryPointer& entry) { return entry->record.transaction.nonce; });
    for (const EntryPointer& entry : open) {
        if (auto driven = co_await drive(entry); !driven) {
            log::warning("chain", "transaction {} ({}): {}", to_string(entry->record.hashes.back()),
                entry->record.intent, driven.error().message());
            if (is_transient(driven.error())) {
                co_return;
            }
        }
    }
    if (!open.empty()) {
        if (auto filled = co_await fill_gap(open.front()->record.transaction.nonce); !filled) {
            log::warning("chain", "the nonces before {} of {}: {}",
                open.front()->record.transaction.nonce, to_string(signer.address()),
                filled.error().message());
        }
    }
}

// A reorganisation of final blocks may take away transactions that were forgotten. What waits
// behind them would wait for ever.
async::Task<Result<void>> TransactionSender::Impl::fill_gap(std::uint64_t lowest) {
    CO_TRY(
        const std::uint64_t wanted, co_await client.nonce(signer.address(), BlockTag::pending()));
    const bool again = gap == wanted;
    gap = wanted < lowest ? std::optional(wanted) : std::nullopt;
    // Once may be an endpoint that is behind.
    if (!gap || !again) {
        co_return Result<void>{};
    }
    gap.reset();
    for (std::uint64_t nonce = wanted; nonce < lowest; ++nonce) {
        CO_TRY_VOID(co_await fill(nonce));
    }
    co_return Result<void>{};
}

async::Task<Result<void>> TransactionSender::Impl::fill(std::uint64_t nonce) {
    CO_TRY(const Fees fees, co_await client.fees());
    SenderRecord record{.intent = "fill-" + std::to_string(nonce)};
    record.transaction = {.chain_id = settings.chain_id,
        .nonce = nonce,
        .max_priority_fee_per_gas = fees.max_priority_fee_per_gas,
        .max_fee_per_gas = std::min(fees.max_fee_per_gas, settings.max_fee_per_gas),
        .gas_limit = kGasOfTransfer,
        .to = signer.address(),
        .value = 0,
        .data = {},
        .access_list = {}};
    CO_TRY(const SignedTransaction signed_transaction, signer.sign(record.transaction));
    record.raw = signed_transaction.raw;
    record.hashes.push_back(signed_transaction.hash);
    log::warning("chain",
        "nonce {} of {} is free again, which a reorganisation of final blocks does: {} takes it",
        nonce, to_string(signer.address()), to_string(signed_transaction.hash));
    const auto entry = std::make_shared<Entry>(std::move(record), executor);
    entries.insert_or_assign(entry->record.intent, entry);
    CO_TRY_VOID(co_await save(entry));
    auto sent = co_await broadcast(entry);
    // Too low: the chain has one after all.
    if (!sent && !is(sent.error(), ChainError::nonce_too_low)) {
        co_return sent;
    }
    co_return Result<void>{};
}

async::Task<Result<std::optional<TransactionReceipt>>> TransactionSender::Impl::find_receipt(
    EntryPointer entry) {
    const std::vector<Bytes32> hashes = entry->record.hashes;
    for (const Bytes32& hash : std::views::reverse(hashes)) {
        CO_TRY(auto receipt, co_await client.transaction_receipt(hash));
        if (receipt) {
            co_return receipt;
        }
    }
    co_return std::nullopt;
}

async::Task<Result<void>> TransactionSender::Impl::drive(EntryPointer entry) {
    CO_TRY(auto receipt, co_await find_receipt(entry));
    if (!receipt) {
        co_return co_await chase(entry);
    }
    entry->seen = true;
    const auto finalized = head.finalized();
    if (finalized && receipt->block_number <= finalized->number) {
        co_return co_await settle(entry, std::move(*receipt));
    }
    co_return Result<void>{};
}

async::Task<Result<void>> TransactionSender::Impl::settle(
    EntryPointer entry, TransactionReceipt receipt) {
    SenderRecord& record = entry->record;
    std::string reason;
    if (!receipt.succeeded) {
        reason = co_await revert_reason(entry, receipt.block_number);
    }
    record.mined_hash = receipt.hash;
    record.block_number = receipt.block_number;
    record.gas_used = receipt.gas_used;
    record.contract = receipt.contract;
    record.reason = std::move(reason);
    record.error = receipt.succeeded ? 0 : static_cast<int>(ChainError::reverted);
    record.state = receipt.succeeded ? SenderRecord::State::succeeded : SenderRecord::State::failed;
    co_return co_await finish(entry);
}

async::Task<Result<void>> TransactionSender::Impl::finish(EntryPointer entry) {
    auto saved = co_await save(entry);
    if (!saved) {
        entry->record.state = SenderRecord::State::pending;
        co_return saved;
    }
    entry->done.set();
    co_return Result<void>{};
}

async::Task<std::string> TransactionSender::Impl::revert_reason(
    EntryPointer entry, std::uint64_t block_number) {
    const Transaction& transaction = entry->record.transaction;
    const auto replay = co_await client.call({.from = signer.address(),
                                                 .to = transaction.to,
                                                 .data = transaction.data,
                                                 .value = transaction.value},
        BlockTag::at(block_number - 1));
    co_return replay ? "it reverted in block " + std::to_string(block_number)
                     : replay.error().detail();
}

// No receipt: it waits in the pool, was dropped, was reorganised away, or lost its nonce.
async::Task<Result<void>> TransactionSender::Impl::chase(EntryPointer entry) {
    if (entry->seen) {
        entry->seen = false;
        log::info("chain", "transaction {} ({}) left the chain: sending it again",
            to_string(entry->record.hashes.back()), entry->record.intent);
    }
    CO_TRY(const bool lost, co_await lost_nonce(entry));
    if (lost) {
        entry->record.state = SenderRecord::State::failed;
        entry->record.error = static_cast<int>(ChainError::replaced);
        entry->record.reason = "nonce " + std::to_string(entry->record.transaction.nonce) + " of " +
                               to_string(signer.address()) + " was spent by another program";
        co_return co_await finish(entry);
    }
    CO_TRY(const bool known, co_await client.knows_transaction(entry->record.hashes.back()));
    if (!known) {
        ++resent;
        auto sent = co_await broadcast(entry);
        // Too low: it may have been mined since we asked; the next round sees the receipt.
        if (!sent && !is(sent.error(), ChainError::nonce_too_low) &&
            !is(sent.error(), ChainError::underpriced)) {
            co_return sent;
        }
        if (sent || is(sent.error(), ChainError::nonce_too_low)) {
            co_return Result<void>{};
        }
        co_return co_await replace(entry);
    }
    if (std::chrono::steady_clock::now() - entry->priced >= settings.stuck_after) {
        co_return co_await replace(entry);
    }
    co_return Result<void>{};
}

// True once a final block holds a higher nonce than ours.
async::Task<Result<bool>> TransactionSender::Impl::lost_nonce(EntryPointer entry) {
    const auto finalized = head.finalized();
    if (!finalized) {
        co_return false;
    }
    CO_TRY(const std::uint64_t nonce,
        co_await client.nonce(signer.address(), BlockTag::at(finalized->number)));
    if (nonce <= entry->record.transaction.nonce) {
        co_return false;
    }
    // A receipt may have come since it was asked for.
    CO_TRY(const auto receipt, co_await find_receipt(entry));
    co_return !receipt.has_value();
}

async::Task<Result<void>> TransactionSender::Impl::replace(EntryPointer entry) {
    CO_TRY(const Fees fees, co_await client.fees());
    Transaction next = entry->record.transaction;
    next.max_fee_per_gas = std::max(fees.max_fee_per_gas, raised(next.max_fee_per_gas));
    next.max_priority_fee_per_gas =
        std::max(fees.max_priority_fee_per_gas, raised(next.max_priority_fee_per_gas));
    next.max_fee_per_gas = std::max(next.max_fee_per_gas, next.max_priority_fee_per_gas);
    entry->priced = std::chrono::steady_clock::now();
    if (next.max_fee_per_gas > settings.max_fee_per_gas) {
        log::warning("chain", "transaction {} ({}) is stuck at the highest allowed gas price",
            to_string(entry->record.hashes.back()), entry->record.intent);
        co_return Result<void>{};
    }
    CO_TRY(const SignedTransaction signed_transaction, signer.sign(next));
    log::info("chain", "transaction {} ({}) is stuck: replaced by {} at {} wei per gas",
        to_string(entry->record.hashes.back()), entry->record.intent,
        to_string(signed_transaction.hash), to_string(next.max_fee_per_gas));
    entry->record.transaction = std::move(next);
    entry->record.raw = signed_transaction.raw;
    entry->record.hashes.push_back(signed_transaction.hash);
    CO_TRY_VOID(co_await save(entry));
    ++replaced;
    co_return co_await broadcast(entry);
}

TransactionSender::TransactionSender(async::Executor executor,
    EthereumClient& client,
    HeadFollower& head,
    SenderJournal& journal,
    const crypto::Secp256k1PrivateKey& key,
    TransactionSenderSettings settings) {
    auto own = std::make_unique<KeySigner>(key);
    impl_ = std::make_unique<Impl>(std::move(executor), client, head, journal, *own, settings);
    impl_->own_signer = std::move(own);
}

TransactionSender::TransactionSender(async::Executor executor,
    EthereumClient& client,
    HeadFollower& head,
    SenderJournal& journal,
    TransactionSigner& signer,
    TransactionSenderSettings settings)
    : impl_(std::make_unique<Impl>(std::move(executor), client, head, journal, signer, settings)) {}

TransactionSender::~TransactionSender() = default;

async::Task<Result<void>> TransactionSender::start() {
    CO_TRY(const auto records, co_await impl_->journal.load_all());
    for (const auto& [intent, bytes] : records) {
        CO_TRY(SenderRecord record, internal::parse_sender_record(bytes));
        if (record.transaction.chain_id != impl_->settings.chain_id) {
            co_return fail(ChainError::wrong_chain,
                "the journal is of chain " + std::to_string(record.transaction.chain_id));
        }
        impl_->next_nonce = std::max(impl_->next_nonce, record.transaction.nonce + 1);
        const auto entry = std::make_shared<Impl::Entry>(std::move(record), impl_->executor);
        if (entry->record.state != SenderRecord::State::pending) {
            entry->done.set();
        }
        impl_->entries.emplace(intent, entry);
    }
    co_return Result<void>{};
}

async::Task<void> TransactionSender::run() {
    for (;;) {
        co_await impl_->drive_all();
        const auto known = impl_->head.head();
        (void)co_await impl_->head.wait_for_head(known ? known->number + 1 : 0, kDriveEvery);
    }
}

async::Task<Result<SentTransaction>> TransactionSender::send(TransactionRequest request) {
    CO_TRY(const Impl::EntryPointer entry, co_await impl_->launch(std::move(request)));
    const SenderRecord& record = entry->record;
    SentTransaction out{.hash = record.hashes.back()};
    if (!record.transaction.to) {
        out.contract = contract_address(impl_->signer.address(), record.transaction.nonce);
    }
    co_return out;
}

async::Task<Result<TransactionOutcome>> TransactionSender::wait(std::string intent) {
    const auto found = impl_->entries.find(intent);
    if (found == impl_->entries.end()) {
        co_return fail(ChainError::not_found, "intent " + intent + " was never sent");
    }
    co_return co_await impl_->outcome(found->second);
}

async::Task<Result<TransactionOutcome>> TransactionSender::submit(TransactionRequest request) {
    const std::string intent = request.intent;
    CO_TRY_VOID(co_await send(std::move(request)));
    co_return co_await wait(intent);
}

async::Task<Result<void>> TransactionSender::forget(std::string intent) {
    const auto found = impl_->entries.find(intent);
    if (found == impl_->entries.end()) {
        co_return Result<void>{};
    }
    if (found->second->record.state == SenderRecord::State::pending) {
        co_return fail(CommonError::conflict, "intent " + intent + " is not final");
    }
    impl_->entries.erase(found);
    co_return co_await impl_->journal.remove(std::move(intent));
}

async::Task<Result<void>> TransactionSender::forget_final(std::uint64_t block) {
    std::vector<std::string> done;
    for (const auto& [intent, entry] : impl_->entries) {
        const SenderRecord& record = entry->record;
        if (record.state != SenderRecord::State::pending && record.block_number <= block) {
            done.push_back(intent);
        }
    }
    for (std::string& intent : done) {
        CO_TRY_VOID(co_await forget(std::move(intent)));
    }
    co_return Result<void>{};
}

std::size_t TransactionSender::pending() const { return impl_->pending(); }
const Address& TransactionSender::address() const { return impl_->signer.address(); }
std::uint64_t TransactionSender::resent() const { return impl_->resent; }
std::uint64_t TransactionSender::replaced() const { return impl_->replaced; }

}  // namespace decloud::chain
