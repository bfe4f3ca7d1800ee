#include "escrow_channels.hpp"
#include "internal/escrow_records.hpp"

#include <algorithm>

namespace decloud::payments {

namespace {

constexpr std::size_t kMaxUnknownPayers = 100'000;
/// Longer than the chain's own time-outs.
constexpr auto kAnswerLimit = std::chrono::minutes(1);

}  // namespace

/// One answer for all who ask the same at the same time.
struct EscrowChannels::Question {
    explicit Question(const async::Executor& executor) : done(executor) {}
    async::Event done;
    std::optional<Result<void>> outcome;
};

async::Task<Result<void>> EscrowChannels::ask(
    QuestionKey key, std::function<async::Task<Result<void>>()> answer) {
    const auto deadline = std::chrono::steady_clock::now() + settings_.patience;
    for (;;) {
        if (const auto asked = questions_.find(key); asked != questions_.end()) {
            const std::shared_ptr<Question> joined = asked->second;
            CO_TRY_VOID(co_await joined->done.wait(kAnswerLimit));
            co_return joined->outcome.value_or(fail(CommonError::cancelled));
        }
        if (questions_.size() < settings_.max_questions) {
            break;
        }
        question_ended_.reset();
        const auto turn =
            co_await question_ended_.wait(deadline - std::chrono::steady_clock::now());
        if (!turn && turn.error() == make_error_code(CommonError::timeout)) {
            co_return fail(PaymentError::overloaded, "too many unknown payers at once");
        }
        CO_TRY_VOID(turn);
    }
    const auto question = std::make_shared<Question>(executor_);
    questions_.emplace(key, question);
    // However this ends, nobody waits for it any longer.
    const std::shared_ptr<void> end(nullptr, [this, key, question](void* /*nothing*/) {
        questions_.erase(key);
        question->done.set();
        question_ended_.set();
    });
    const Result<void> outcome = co_await answer();
    question->outcome = outcome;
    co_return outcome;
}

async::Task<Result<std::uint64_t>> EscrowChannels::block_to_ask(bool newest) {
    const auto finalized = head_.finalized();
    if (!finalized) {
        co_return fail(ChainError::not_ready, "no final block is known yet");
    }
    std::uint64_t block = finalized->number;
    if (newest) {
        CO_TRY(const std::uint64_t head, co_await client_.block_number());
        block = std::max(block, head - std::min(head, head_.depth()));
    }
    co_return block;
}

async::Task<Result<void>> EscrowChannels::ask_channel(Bytes32 id) {
    CO_TRY(const std::uint64_t block, co_await block_to_ask(false));
    const auto asked = unknown_channels_.find(id);
    if (asked != unknown_channels_.end() && asked->second == block) {
        co_return Result<void>{};
    }
    auto channel = co_await escrow_.channel(id, chain::BlockTag::at(block));
    if (channel && channel->provider == settings_.provider) {
        unknown_channels_.erase(id);
        co_return co_await take_over(*channel, block);
    }
    if (!channel && channel.error() != make_error_code(ChainError::not_found)) {
        co_return fail(channel.error());
    }
    if (unknown_channels_.size() >= kMaxUnknownPayers) {
        unknown_channels_.clear();
    }
    unknown_channels_[id] = block;
    co_return Result<void>{};
}

async::Task<Result<void>> EscrowChannels::ask_payer(Address payer, bool newest) {
    CO_TRY(const std::uint64_t block, co_await block_to_ask(newest));
    const auto asked = unknown_.find(payer);
    if (asked != unknown_.end() && asked->second == block) {
        co_return Result<void>{};
    }
    CO_TRY(auto channel,
        co_await escrow_.allowance(payer, settings_.provider, chain::BlockTag::at(block)));
    if (channel) {
        co_return co_await take_over(*channel, block);
    }
    if (unknown_.size() >= kMaxUnknownPayers) {
        unknown_.clear();
    }
    unknown_[payer] = block;
    co_return Result<void>{};
}

async::Task<Result<PayerMoney>> EscrowChannels::find(Address payer) {
    if (!payers_.contains(payer)) {
        CO_TRY_VOID(co_await ask(
            {to_string(payer), false}, [this, payer] { return ask_payer(payer, false); }));
    }
    co_return find_known(payer).value_or(PayerMoney{});
}

std::optional<PayerMoney> EscrowChannels::find_known(const Address& payer) const {
    const auto found = payers_.find(payer);
    if (found == payers_.end()) {
        return std::nullopt;
    }
    PayerMoney money;
    money.channel = found->second.channel;
    if (found->second.has_trial && clock_.unix_seconds() < found->second.trial_expires) {
        PayerAccount trial = trial_account(settings_.provider, payer);
        if (!ledger_.spendable(trial).is_zero()) {
            money.trial = std::move(trial);
        }
    }
    return money;
}

async::Task<Result<void>> EscrowChannels::find_channel(Bytes32 id) {
    if (is_known(id)) {
        co_return Result<void>{};
    }
    co_return co_await ask({to_string(id), false}, [this, id] { return ask_channel(id); });
}

async::Task<Result<void>> EscrowChannels::refresh(Address payer) {
    return ask({to_string(payer), true}, [this, payer] { return ask_payer(payer, true); });
}

}  // namespace decloud::payments
