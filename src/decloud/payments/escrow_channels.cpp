#include "escrow_channels.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/escrow.hpp>

#include <algorithm>

namespace decloud::payments {

namespace {

namespace escrow_abi = contracts::escrow;

constexpr std::uint64_t kBlocksPerQuery = 2000;
constexpr std::size_t kMaxUnknownPayers = 100'000;
constexpr auto kRetryDelay = std::chrono::seconds(1);

Bytes32 topic_of(const Address& address) {
    Bytes32 topic;
    std::ranges::copy(address.bytes, topic.bytes.begin() + 12);
    return topic;
}

/// A row that is not newer was only sent twice, which changes nothing.
void report_skipped(const chain::Log& entry) {
    const auto skipped =
        escrow_abi::RowSkippedEvent::decode({.topics = entry.topics, .data = entry.data});
    if (skipped && skipped->reason != escrow_abi::SkipReason::not_newer) {
        log::error("payments",
            "the escrow skipped the row of channel {}: {}; see decloud provider status",
            to_string(skipped->id), escrow_abi::to_string(skipped->reason));
    }
}

}  // namespace

EscrowChannels::EscrowChannels(async::Executor executor,
    chain::EthereumClient& client,
    chain::HeadFollower& head,
    chain::EscrowView& escrow,
    Ledger& ledger,
    const Clock& clock,
    EscrowChannelsSettings settings)
    : client_(client),
      head_(head),
      escrow_(escrow),
      ledger_(ledger),
      clock_(clock),
      settings_(std::move(settings)),
      changed_(std::move(executor)) {}

async::Task<void> EscrowChannels::run() {
    for (;;) {
        const std::uint64_t next = followed_ ? *followed_ + 1 : settings_.first_block;
        const auto waited = co_await head_.wait_for_finalized(next, std::chrono::seconds(30));
        if (!waited) {
            if (waited.error() == make_error_code(CommonError::cancelled)) {
                co_return;
            }
            continue;
        }
        if (const auto done = co_await catch_up(); !done) {
            log::warning("payments", "the escrow could not be followed, trying again: {}",
                done.error().message());
            co_await async::delay(kRetryDelay);
        }
    }
}

async::Task<Result<void>> EscrowChannels::catch_up() {
    const auto finalized = head_.finalized();
    if (!finalized) {
        co_return fail(ChainError::not_ready, "no final block is known yet");
    }
    std::uint64_t from = followed_ ? *followed_ + 1 : settings_.first_block;
    while (from <= finalized->number) {
        const std::uint64_t to = std::min(finalized->number, from + kBlocksPerQuery - 1);
        CO_TRY_VOID(co_await read_events(from, to));
        from = to + 1;
    }
    const std::set<Bytes32> channels = dirty_channels_;
    for (const Bytes32& id : channels) {
        CO_TRY_VOID(co_await read_channel(id, finalized->number));
        dirty_channels_.erase(id);
    }
    const std::set<Address> trials = dirty_trials_;
    for (const Address& user : trials) {
        CO_TRY_VOID(co_await read_trial(user, finalized->number));
        dirty_trials_.erase(user);
    }
    followed_ = std::max(followed_.value_or(0), finalized->number);
    changed_.set();
    changed_.reset();
    co_return Result<void>{};
}

async::Task<Result<void>> EscrowChannels::wait_for(
    std::uint64_t block, std::chrono::steady_clock::duration limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!followed_ || *followed_ < block) {
        CO_TRY_VOID(co_await changed_.wait(deadline - std::chrono::steady_clock::now()));
    }
    co_return Result<void>{};
}

async::Task<Result<void>> EscrowChannels::read_events(std::uint64_t from, std::uint64_t to) {
    chain::LogFilter filter;
    filter.addresses = {escrow_.address()};
    filter.from_block = from;
    filter.to_block = to;
    CO_TRY(const std::vector<chain::Log> logs, co_await client_.get_logs(std::move(filter)));
    note_events(logs);
    co_return Result<void>{};
}

void EscrowChannels::note_events(const std::vector<chain::Log>& logs) {
    const Bytes32 provider = topic_of(settings_.provider);
    for (const chain::Log& entry : logs) {
        if (entry.topics.size() < 2) {
            continue;
        }
        const Bytes32& topic = entry.topics[0];
        const bool names_us = std::ranges::find(entry.topics, provider) != entry.topics.end();
        if (topic == escrow_abi::TrialGrantedEvent::kTopic ||
            topic == escrow_abi::TrialConsumedEvent::kTopic) {
            const auto user = Address::from(
                entry.topics.size() > 2 ? entry.topics[2].view().subspan(12) : BytesView());
            if (user && entry.topics[1] == provider) {
                dirty_trials_.insert(*user);
            }
            continue;
        }
        if (topic == escrow_abi::RowSkippedEvent::kTopic && channels_.contains(entry.topics[1])) {
            report_skipped(entry);
            continue;
        }
        if (names_us || channels_.contains(entry.topics[1])) {
            const bool about_channel = topic == escrow_abi::ChannelOpenedEvent::kTopic ||
                                       topic == escrow_abi::ChannelIncreasedEvent::kTopic ||
                                       topic == escrow_abi::ConsumedEvent::kTopic ||
                                       topic == escrow_abi::CloseRequestedEvent::kTopic ||
                                       topic == escrow_abi::ChannelFinalEvent::kTopic;
            if (about_channel) {
                dirty_channels_.insert(entry.topics[1]);
            }
        }
    }
}

async::Task<Result<void>> EscrowChannels::read_channel(Bytes32 id, std::uint64_t block) {
    CO_TRY(const chain::ChannelState channel,
        co_await escrow_.channel(id, chain::BlockTag::at(block)));
    if (channel.provider != settings_.provider || !channel.signer.is_zero()) {
        co_return Result<void>{};
    }
    channels_[id] = channel.payer;
    ChannelState state;
    state.asset = settings_.asset;
    state.owner = to_string(channel.payer);
    state.reserved = channel.reserved;
    state.claimed_on_chain = channel.claimed;
    state.calls_on_chain = channel.calls;
    state.price = channel.price;
    state.closing = channel.close_at.value != 0;
    state.is_final = channel.final;
    state.block = block;
    CO_TRY_VOID(ledger_.record_chain(channel_account(id), state));
    Entry& entry = payers_[channel.payer];
    const bool open = !state.closing && !state.is_final;
    if (open) {
        entry.channel = PayerMoney::Channel{channel_account(id), id, channel.price};
    } else if (entry.channel && entry.channel->id == id) {
        entry.channel.reset();
    }
    unknown_.erase(channel.payer);
    co_return Result<void>{};
}

async::Task<Result<void>> EscrowChannels::read_trial(Address user, std::uint64_t block) {
    CO_TRY(const chain::TrialState trial,
        co_await escrow_.trial(settings_.provider, user, chain::BlockTag::at(block)));
    ChannelState state;
    state.asset = {std::string(kTrialAsset)};
    state.owner = to_string(user);
    state.reserved = Amount(trial.granted);
    state.claimed_on_chain = Amount(trial.used);
    state.calls_on_chain = trial.used;
    state.price = Amount(1);
    state.block = block;
    CO_TRY_VOID(ledger_.record_chain(trial_account(settings_.provider, user), state));
    Entry& entry = payers_[user];
    entry.has_trial = true;
    entry.trial_expires = trial.expires;
    co_return Result<void>{};
}

/// For a payer no event told of: the chain is asked once for each final block.
async::Task<Result<void>> EscrowChannels::ask(Address payer) {
    const auto finalized = head_.finalized();
    if (!finalized) {
        co_return fail(ChainError::not_ready, "no final block is known yet");
    }
    const auto asked = unknown_.find(payer);
    if (asked != unknown_.end() && asked->second == finalized->number) {
        co_return Result<void>{};
    }
    CO_TRY(const auto channel, co_await escrow_.allowance(payer, settings_.provider,
                                   chain::BlockTag::at(finalized->number)));
    if (channel) {
        co_return co_await read_channel(channel->id, finalized->number);
    }
    if (unknown_.size() >= kMaxUnknownPayers) {
        unknown_.clear();
    }
    unknown_[payer] = finalized->number;
    co_return Result<void>{};
}

async::Task<Result<PayerMoney>> EscrowChannels::find(Address payer) {
    auto found = payers_.find(payer);
    if (found == payers_.end()) {
        CO_TRY_VOID(co_await ask(payer));
        found = payers_.find(payer);
    }
    PayerMoney money;
    if (found == payers_.end()) {
        co_return money;
    }
    money.channel = found->second.channel;
    if (found->second.has_trial && clock_.unix_seconds() < found->second.trial_expires) {
        PayerAccount trial = trial_account(settings_.provider, payer);
        if (!ledger_.spendable(trial).is_zero()) {
            money.trial = std::move(trial);
        }
    }
    co_return money;
}

std::optional<std::string> EscrowChannels::suspended() const {
    const chain::ChainStatus status = head_.status();
    if (status.may_serve_paid) {
        return std::nullopt;
    }
    return status.reason;
}

std::vector<EscrowChannels::Known> EscrowChannels::known() const {
    std::vector<Known> out;
    for (const auto& [payer, entry] : payers_) {
        PayerMoney money;
        money.channel = entry.channel;
        if (entry.has_trial) {
            money.trial = trial_account(settings_.provider, payer);
        }
        out.push_back({payer, std::move(money)});
    }
    std::ranges::sort(out, {}, &Known::payer);
    return out;
}

}  // namespace decloud::payments
