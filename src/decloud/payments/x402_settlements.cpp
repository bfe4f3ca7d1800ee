#include "x402_settlements.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/test_usdc.hpp>
#include <decloud/crypto/hash.hpp>

#include <algorithm>
#include <utility>

namespace decloud::payments {

namespace usdc = contracts::test_usdc;

namespace {

constexpr std::string_view kPrefix = "x402/";
constexpr std::uint64_t kKeptSeconds = 86'400;
constexpr auto kForgetEvery = std::chrono::seconds(60);
constexpr auto kAskAgain = std::chrono::seconds(1);

/// Names the transfer for the sender; the same after a restart.
std::string intent_of(const std::string& key) {
    return "x402-" + to_hex(BytesView(crypto::sha256(as_bytes(key))).first(16));
}

std::string identifier_key(const Address& payer, const std::string& identifier) {
    return to_string(payer) + ":" + identifier;
}

Bytes32 padded(const Address& address) {
    Bytes32 word;
    std::ranges::copy(address.bytes, word.bytes.begin() + 12);
    return word;
}

bool is_open(X402State state) { return state == X402State::accepted || state == X402State::sent; }

}  // namespace

struct X402Settlements::Entry {
    Entry(std::string key_in, X402Record record_in, const async::Executor& executor)
        : key(std::move(key_in)), record(std::move(record_in)), done(executor) {}
    std::string key;
    X402Record record;
    /// Set when the state is final, or the transfer is in a block.
    async::Event done;
    /// From before the broadcast on: it may be in a pool.
    bool submitted = false;
    bool is_final = false;
    /// Nobody commits it any more: it is charged when it turns out to be settled.
    bool given_up = false;
    std::optional<HoldId> hold;
};

X402Settlements::X402Settlements(X402Context context, X402Settings settings)
    : context_(std::move(context)), settings_(std::move(settings)), tasks_(context_.executor) {}

X402Settlements::~X402Settlements() = default;

async::Task<void> X402Settlements::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

async::Task<Result<void>> X402Settlements::start() {
    CO_TRY(const auto stored,
        co_await async::offload(context_.pool, [this] { return context_.records.list(kPrefix); }));
    for (const auto& [name, text] : stored) {
        CO_TRY(X402Record record, parse_x402_record(text));
        std::string key = name.substr(kPrefix.size());
        const auto used = context_.ledger.idempotency(key);
        if (used && used->receipt) {
            record.receipt = to_string(*used->receipt);
        }
        if (!record.identifier.empty()) {
            identifiers_[identifier_key(record.authorization.from, record.identifier)] = key;
        }
        auto entry = std::make_shared<Entry>(key, std::move(record), context_.executor);
        entry->given_up = true;
        if (!is_open(entry->record.state)) {
            entry->done.set();
        }
        note_charged(*entry);
        entries_.emplace(std::move(key), std::move(entry));
    }
    co_return Result<void>{};
}

async::Task<void> X402Settlements::run() {
    std::vector<EntryPointer> left;
    for (const auto& [key, entry] : entries_) {
        if (entry->record.state != X402State::failed) {
            left.push_back(entry);
        }
    }
    for (EntryPointer& entry : left) {
        tasks_.spawn(resume(std::move(entry)));
    }
    co_await learn_token();
    for (;;) {
        co_await async::delay(kForgetEvery);
        co_await forget_old();
    }
}

async::Task<void> X402Settlements::learn_token() {
    for (;;) {
        auto asked = co_await ask_token();
        if (asked) {
            token_ = std::move(*asked);
            log::info("payments", "x402 payments in {} {} of {} go to {}", token_->name,
                token_->version, to_string(settings_.token), to_string(settings_.pay_to));
            co_return;
        }
        if (asked.error() == make_error_code(CommonError::invalid_input)) {
            log::error("payments", "no x402 payments are taken: {}", asked.error().detail());
            co_return;
        }
        co_await async::delay(kAskAgain);
    }
}

async::Task<Result<X402Token>> X402Settlements::ask_token() {
    X402Token token;
    chain::EthereumClient& client = context_.client;
    CO_TRY(const Bytes name, co_await client.call(settings_.token, usdc::encode_name()));
    CO_TRY(token.name, usdc::decode_name(name));
    CO_TRY(const Bytes version, co_await client.call(settings_.token, usdc::encode_version()));
    CO_TRY(token.version, usdc::decode_version(version));
    CO_TRY(const Bytes separator,
        co_await client.call(settings_.token, usdc::encode_domain_separator()));
    CO_TRY(const Bytes32 domain, usdc::decode_domain_separator(separator));
    token.domain = token_domain(token.name, token.version, settings_.chain_id, settings_.token);
    if (token.domain != domain) {
        co_return fail(CommonError::invalid_input,
            to_string(settings_.token) + " signs for another domain than its name and version say");
    }
    co_return token;
}

const X402Record* X402Settlements::find(std::string_view key) const {
    const auto found = entries_.find(std::string(key));
    return found == entries_.end() ? nullptr : &found->second->record;
}

const std::string* X402Settlements::find_identifier(
    const Address& payer, const std::string& identifier) const {
    const auto found = identifiers_.find(identifier_key(payer, identifier));
    return found == identifiers_.end() ? nullptr : &found->second;
}

Bytes X402Settlements::transfer(const X402Authorization& fields) const {
    const auto word = [&](std::size_t at) {
        Bytes32 out;
        std::copy_n(fields.signature.bytes.begin() + static_cast<std::ptrdiff_t>(at), 32,
            out.bytes.begin());
        return out;
    };
    return usdc::encode_transfer_with_authorization_v_r_s(fields.from, fields.to,
        Uint256::from(fields.value.units()), Uint256::from(fields.valid_after),
        Uint256::from(fields.valid_before), fields.nonce, fields.signature.bytes.back(), word(0),
        word(32));
}

/// On the pending state: an idle chain's newest block may be too old for `validAfter`.
async::Task<Result<void>> X402Settlements::check(X402Authorization fields) {
    chain::EthereumClient& client = context_.client;
    const auto tried = co_await client.call({.from = context_.sender.address(),
                                                .to = settings_.token,
                                                .data = transfer(fields),
                                                .value = 0},
        chain::BlockTag::pending());
    if (tried || tried.error() != make_error_code(ChainError::reverted)) {
        co_return tried ? Result<void>{} : fail(tried.error());
    }
    CO_TRY(const Bytes state, co_await client.call(settings_.token,
                                  usdc::encode_authorization_state(fields.from, fields.nonce),
                                  chain::BlockTag::pending()));
    CO_TRY(const bool used, usdc::decode_authorization_state(state));
    co_return fail(ChainError::reverted,
        used ? "its nonce was used or cancelled already" : tried.error().detail());
}

async::Task<Result<HoldId>> X402Settlements::acquire(Address payer, HoldRequest request) {
    Amount& acquiring = acquiring_[payer];
    acquiring = Amount(acquiring.units() + request.max.units());
    const Amount value = request.max;
    const std::shared_ptr<void> end(nullptr, [this, payer, value](void* /*nothing*/) {
        Amount& left = acquiring_[payer];
        left = left.saturating_minus(value);
        if (left.is_zero()) {
            acquiring_.erase(payer);
        }
    });
    const auto known = context_.ledger.payer(x402_account(payer));
    ChannelState state;
    if (known) {
        state = known->chain;
        state.reserved =
            Amount(known->spent.amount.units() + known->held.units() + acquiring.units());
    } else {
        state.asset = settings_.asset;
        state.owner = to_string(payer);
        state.reserved = acquiring;
    }
    CO_TRY_VOID(context_.ledger.record_chain(x402_account(payer), std::move(state)));
    request.payer = x402_account(payer);
    request.asset = settings_.asset;
    co_return co_await context_.ledger.acquire(std::move(request));
}

async::Task<Result<void>> X402Settlements::accept(std::string key, X402Record record) {
    if (entries_.size() >= settings_.max_records) {
        co_return fail(PaymentError::overloaded, "too many x402 payments are remembered");
    }
    if (const auto head = context_.head.head()) {
        record.since_block = head->number;
    }
    if (!record.identifier.empty()) {
        identifiers_[identifier_key(record.authorization.from, record.identifier)] = key;
    }
    auto entry = std::make_shared<Entry>(key, std::move(record), context_.executor);
    entries_.insert_or_assign(std::move(key), entry);
    co_return co_await save(entry);
}

bool X402Settlements::may_answer_unsettled(const X402Authorization& fields) const {
    const auto found = unsettled_.find(fields.from);
    const Amount open = found == unsettled_.end() ? Amount() : found->second.amount;
    return settings_.mode == X402Mode::sent &&
           fields.value <= settings_.max_unsettled.saturating_minus(open);
}

async::Task<Result<bool>> X402Settlements::settle(std::string key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        co_return fail(CommonError::not_found, "an unknown x402 payment");
    }
    const EntryPointer entry = found->second;
    entry->submitted = true;
    const auto sent = co_await context_.sender.send({.intent = intent_of(key),
        .to = settings_.token,
        .data = transfer(entry->record.authorization)});
    if (!sent) {
        // Somebody else may have sent it in the meantime: then the money is there.
        const auto used = (co_await find_use(entry->record)).value_or(std::nullopt);
        if (used) {
            co_await resolve(entry, X402State::settled, *used, false);
            tasks_.spawn(resume(entry));
            co_return true;
        }
        entry->submitted = false;
        co_return fail(sent.error());
    }
    entry->record.state = X402State::sent;
    entry->record.transaction = sent->hash;
    if (const auto saved = co_await save(entry); !saved) {
        log::error("payments", "an x402 payment is not on disk: {}", saved.error().message());
    }
    tasks_.spawn(watch(entry));
    tasks_.spawn(follow(entry));
    if (may_answer_unsettled(entry->record.authorization)) {
        co_return true;
    }
    (void)co_await entry->done.wait(settings_.answer_within);
    co_return entry->record.state == X402State::settled;
}

/// Until the transfer is in a block; asks once a block.
async::Task<void> X402Settlements::watch(EntryPointer entry) {
    std::uint64_t asked_at = 0;
    while (entry->record.state == X402State::sent) {
        const auto head = context_.head.head();
        if (head && head->number != asked_at) {
            asked_at = head->number;
            const auto receipt =
                (co_await context_.client.transaction_receipt(entry->record.transaction))
                    .value_or(std::nullopt);
            if (receipt && receipt->succeeded) {
                co_await resolve(entry, X402State::settled, receipt->hash, false);
                co_return;
            }
        }
        co_await async::delay(settings_.poll);
    }
}

/// Until the transfer is final, or has failed for good.
async::Task<void> X402Settlements::follow(EntryPointer entry) {
    for (;;) {
        const auto outcome = co_await context_.sender.wait(intent_of(entry->key));
        if (outcome) {
            co_await resolve(entry, X402State::settled, outcome->hash, true);
            co_return;
        }
        if (outcome.error() == make_error_code(CommonError::cancelled)) {
            co_return;
        }
        if (outcome.error() != make_error_code(ChainError::timeout)) {
            co_await end_unsent(entry);
            co_return;
        }
    }
}

/// Our own transfer did nothing, or there is none: was the authorisation used by another?
async::Task<void> X402Settlements::end_unsent(EntryPointer entry) {
    for (;;) {
        const auto used = co_await find_use(entry->record);
        if (used) {
            const Bytes32 transaction = used->value_or(entry->record.transaction);
            co_await resolve(
                entry, *used ? X402State::settled : X402State::failed, transaction, true);
            co_return;
        }
        co_await async::delay(kAskAgain);
    }
}

/// What the last process left: sent and not final, accepted and perhaps sent, or settled and
/// perhaps not final.
async::Task<void> X402Settlements::resume(EntryPointer entry) {
    const auto outcome = co_await context_.sender.wait(intent_of(entry->key));
    const bool unknown = !outcome && outcome.error() == make_error_code(ChainError::not_found);
    if (!unknown) {
        co_await follow(entry);
        co_return;
    }
    if (entry->record.state == X402State::settled) {
        // The sender forgets what is final; what another sent is final enough by now.
        co_await resolve(entry, X402State::settled, entry->record.transaction, true);
        co_return;
    }
    co_await end_unsent(entry);
    if (entry->record.state == X402State::failed && entry->record.transaction.is_zero()) {
        // Nothing was ever sent: the ledger's key alone keeps it from being used again.
        const std::string key = entry->key;
        erase(key);
        co_await remove(key);
    }
}

/// The transaction that used the authorisation and paid us, if there is one.
async::Task<Result<std::optional<Bytes32>>> X402Settlements::find_use(X402Record record) {
    CO_TRY(const std::uint64_t head, co_await context_.client.block_number());
    const X402Authorization& fields = record.authorization;
    CO_TRY(const auto logs, co_await context_.client.get_logs({.addresses = {settings_.token},
                                .topics = {{usdc::AuthorizationUsedEvent::kTopic},
                                    {padded(fields.from)}, {fields.nonce}},
                                .from_block = std::min(record.since_block, head),
                                .to_block = head}));
    for (const chain::Log& used : logs) {
        CO_TRY(const auto receipt,
            co_await context_.client.transaction_receipt(used.transaction_hash));
        if (!receipt) {
            continue;
        }
        for (const chain::Log& log : receipt->logs) {
            const auto moved = usdc::TransferEvent::decode({log.topics, log.data});
            if (log.address == settings_.token && moved && moved->from == fields.from &&
                moved->to == fields.to && moved->value == Uint256::from(fields.value.units())) {
                co_return used.transaction_hash;
            }
        }
    }
    co_return std::nullopt;
}

async::Task<void> X402Settlements::resolve(
    EntryPointer entry, X402State state, Bytes32 transaction, bool is_final) {
    X402Record& record = entry->record;
    if (record.state == X402State::settled && state == X402State::failed) {
        log::error("payments",
            "the transfer {} of {} that was in a block did not last: {} units "
            "are lost",
            to_string(record.transaction), to_string(record.authorization.from),
            to_string(record.authorization.value));
    }
    const bool changed = record.state != state || record.transaction != transaction;
    record.state = state;
    record.transaction = transaction;
    if (changed) {
        if (const auto saved = co_await save(entry); !saved) {
            log::error("payments", "an x402 payment is not on disk: {}", saved.error().message());
        }
    }
    entry->done.set();
    if (state == X402State::settled && entry->given_up && record.receipt.empty()) {
        co_await charge_late(entry);
    }
    if (state == X402State::failed) {
        if (const auto hold = std::exchange(entry->hold, std::nullopt)) {
            (void)context_.ledger.release(*hold, ReleaseReason::other);
        }
    }
    if (state == X402State::settled && is_final && !std::exchange(entry->is_final, true) &&
        !record.receipt.empty()) {
        Unsettled& open = unsettled_[record.authorization.from];
        open.calls -= std::min<std::uint64_t>(open.calls, 1);
        open.amount = open.amount.saturating_minus(record.authorization.value);
        co_await claim(record.authorization.from);
    }
}

/// The payer's money came when the call had ended without its answer.
async::Task<void> X402Settlements::charge_late(EntryPointer entry) {
    entry->given_up = false;
    const X402Record record = entry->record;
    auto hold = std::exchange(entry->hold, {});
    if (!hold) {
        HoldRequest request;
        request.max = record.authorization.value;
        auto acquired = co_await acquire(record.authorization.from, std::move(request));
        if (!acquired) {
            log::error("payments", "a settled x402 payment is not in the ledger: {}",
                acquired.error().message());
            co_return;
        }
        hold = *acquired;
        entry->record.unanswered = true;
    }
    CallRecord call;
    call.service = record.service;
    call.subject = record.subject;
    call.request_digest = record.request_digest;
    call.status = 503;
    const auto receipt = context_.ledger.commit(*hold, record.authorization.value, std::move(call));
    if (!receipt) {
        log::error("payments", "a settled x402 payment is not in the ledger: {}",
            receipt.error().message());
        co_return;
    }
    entry->record.receipt = to_string(*receipt);
    note_charged(*entry);
    co_await save_charged(entry);
}

void X402Settlements::note_charged(Entry& entry) {
    if (!entry.record.receipt.empty() && !entry.is_final) {
        Unsettled& open = unsettled_[entry.record.authorization.from];
        ++open.calls;
        open.amount = Amount(open.amount.units() + entry.record.authorization.value.units());
    }
}

void X402Settlements::charged(const std::string& key, std::string receipt) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        return;
    }
    const EntryPointer entry = found->second;
    entry->record.receipt = std::move(receipt);
    note_charged(*entry);
    tasks_.spawn(save_charged(entry));
}

async::Task<void> X402Settlements::save_charged(EntryPointer entry) {
    // The record must not know of a receipt that a kill takes from the ledger.
    auto saved = co_await context_.ledger.flush();
    if (saved) {
        saved = co_await save(entry);
    }
    if (!saved) {
        log::error("payments", "an x402 payment is not on disk: {}", saved.error().message());
    }
    if (entry->is_final) {
        co_await claim(entry->record.authorization.from);
    }
}

/// All that a payer was charged, but for what is not final, is on the final chain.
async::Task<void> X402Settlements::claim(Address payer) {
    const PayerAccount account = x402_account(payer);
    auto view = context_.ledger.payer(account);
    if (!view) {
        co_return;
    }
    const Unsettled open = unsettled_[payer];
    if (open.calls == 0) {
        unsettled_.erase(payer);
    }
    const Spent claimed{view->spent.calls - std::min(open.calls, view->spent.calls),
        view->spent.amount.saturating_minus(open.amount)};
    if (claimed.amount <= view->chain.claimed_on_chain) {
        co_return;
    }
    auto noted = co_await context_.ledger.note_sent_rows(
        {{account, settings_.asset, claimed.calls, claimed.amount}});
    view = context_.ledger.payer(account);
    if (noted && view && view->chain.claimed_on_chain < claimed.amount) {
        ChannelState state = view->chain;
        state.claimed_on_chain = claimed.amount;
        state.calls_on_chain = claimed.calls;
        if (const auto final_block = context_.head.finalized()) {
            state.block = std::max(state.block, final_block->number);
        }
        noted = context_.ledger.record_chain(account, std::move(state));
    }
    if (!noted) {
        log::warning("payments", "what {} has paid is not noted as settled: {}", account.text,
            noted.error().message());
    }
}

bool X402Settlements::give_up(const std::string& key, HoldId hold) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        return true;
    }
    const EntryPointer entry = found->second;
    if (!entry->submitted) {
        erase(key);
        tasks_.spawn(remove(key));
        return true;
    }
    if (entry->record.state == X402State::failed) {
        (void)context_.ledger.release(hold, ReleaseReason::other);
        return false;
    }
    entry->given_up = true;
    entry->hold = hold;
    if (entry->record.state == X402State::settled) {
        tasks_.spawn(charge_late(entry));
    }
    return false;
}

void X402Settlements::answered(const std::string& key) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && std::exchange(found->second->record.unanswered, false)) {
        tasks_.spawn(save_charged(found->second));
    }
}

async::Task<Result<void>> X402Settlements::save(EntryPointer entry) {
    co_return co_await async::offload(context_.pool,
        [this, name = std::string(kPrefix) + entry->key, text = format_x402_record(entry->record)] {
            return context_.records.put(name, text);
        });
}

void X402Settlements::erase(const std::string& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) {
        return;
    }
    const X402Record& record = found->second->record;
    identifiers_.erase(identifier_key(record.authorization.from, record.identifier));
    entries_.erase(found);
}

async::Task<void> X402Settlements::remove(std::string key) {
    const auto removed = co_await async::offload(context_.pool,
        [this, name = std::string(kPrefix) + key] { return context_.records.remove(name); });
    if (!removed) {
        log::warning(
            "payments", "an old x402 payment stays on disk: {}", removed.error().message());
    }
}

async::Task<void> X402Settlements::forget_old() {
    const std::uint64_t now = context_.clock.unix_seconds().value;
    std::vector<std::string> old;
    for (const auto& [key, entry] : entries_) {
        const bool ended = entry->record.state == X402State::failed || entry->is_final;
        if (ended && entry->record.authorization.valid_before + kKeptSeconds < now) {
            old.push_back(key);
        }
    }
    for (const std::string& key : old) {
        erase(key);
        co_await remove(key);
    }
}

PayerAccount x402_account(const Address& payer) { return {"x402:" + to_string(payer)}; }

}  // namespace decloud::payments
