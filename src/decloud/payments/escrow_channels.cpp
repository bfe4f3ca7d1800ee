#include "escrow_channels.hpp"

#include "internal/escrow_records.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>
#include <decloud/contracts/escrow.hpp>

#include <algorithm>

namespace decloud::payments {

namespace {

namespace escrow_abi = contracts::escrow;

constexpr std::uint64_t kBlocksPerQuery = 2000;
constexpr auto kRetryDelay = std::chrono::seconds(1);
/// How many blocks without anything for us may have to be read again after a start.
constexpr std::uint64_t kMarkEvery = 64;

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
    store::RecordStore& records,
    boost::asio::thread_pool& pool,
    EscrowChannelsSettings settings)
    : executor_(executor),
      client_(client),
      head_(head),
      escrow_(escrow),
      ledger_(ledger),
      clock_(clock),
      settings_(std::move(settings)),
      records_(std::make_unique<internal::EscrowRecords>(
          records, pool, escrow.address(), settings_.provider)),
      changed_(executor),
      question_ended_(executor) {
    reorganisations_ = head_.on_reorganisation([this](std::uint64_t first) {
        reorganised_ = reorganised_ || first <= std::max(followed_.value_or(0), reading_);
    });
}

EscrowChannels::~EscrowChannels() = default;

async::Task<Result<void>> EscrowChannels::start() {
    CO_TRY(auto loaded, co_await records_->load());
    marks_ = std::move(loaded.marks);
    opened_ = std::move(loaded.opened);
    trial_ends_ = std::move(loaded.trial_ends);
    if (marks_.empty()) {
        // Every event is read; what the ledger knows and no event tells of is not there.
        mark_everything_dirty();
    } else {
        followed_ = marks_.back().number;
    }
    co_return Result<void>{};
}

async::Task<void> EscrowChannels::run() {
    for (;;) {
        const std::uint64_t next =
            reorganised_ ? 0 : (followed_ ? *followed_ + 1 : settings_.first_block);
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
    reading_ = finalized->number;
    CO_TRY_VOID(co_await go_back_if_reorganised());
    std::uint64_t from = followed_ ? *followed_ + 1 : settings_.first_block;
    while (from <= finalized->number) {
        const std::uint64_t to = std::min(finalized->number, from + kBlocksPerQuery - 1);
        CO_TRY_VOID(co_await read_events(from, to));
        from = to + 1;
    }
    const bool changed = !dirty_channels_.empty() || !dirty_trials_.empty();
    CO_TRY_VOID(co_await read_dirty(finalized->number));
    move_ = ChainMove::forward;
    restore();
    followed_ = std::max(followed_.value_or(0), finalized->number);
    changed_.set();
    changed_.reset();
    if (const auto remembered = co_await remember(*finalized, changed); !remembered) {
        log::warning("payments", "how far the escrow was followed could not be kept: {}",
            remembered.error().message());
    }
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

/// A mark that the chain does not have any more, or a block that was replaced after it had been
/// read: then everything known is read again from a block that is still there.
async::Task<Result<void>> EscrowChannels::go_back_if_reorganised() {
    if (verified_ && !reorganised_) {
        co_return Result<void>{};
    }
    const bool was_replaced = std::exchange(reorganised_, false);
    std::vector<internal::BlockMark> marks = marks_;
    while (!marks.empty()) {
        const auto block = co_await client_.get_block(chain::BlockTag::at(marks.back().number));
        if (!block && block.error() != make_error_code(ChainError::not_found)) {
            reorganised_ = reorganised_ || was_replaced;
            co_return fail(block.error());
        }
        if (block && block->hash == marks.back().hash) {
            break;
        }
        marks.pop_back();
    }
    verified_ = true;
    if (!was_replaced && marks.size() == marks_.size()) {
        co_return Result<void>{};
    }
    // Without any block in common it is another chain, of which the ledger believes less.
    const bool same_chain = !marks.empty() || marks_.empty();
    move_ = same_chain ? ChainMove::rolled_back : ChainMove::forward;
    marks_ = std::move(marks);
    followed_.reset();
    if (!marks_.empty()) {
        followed_ = marks_.back().number;
    }
    mark_everything_dirty();
    log::warning("payments",
        "blocks that were final have been replaced: the escrow is read again "
        "from block {}",
        followed_ ? *followed_ + 1 : settings_.first_block);
    co_return Result<void>{};
}

void EscrowChannels::mark_everything_dirty() {
    for (const PayerView& view : ledger_.payers()) {
        if (const auto id = parse_channel_account(view.payer)) {
            dirty_channels_.insert(*id);
        }
    }
    for (const auto& [user, end] : trial_ends_) {
        dirty_trials_.insert(user);
    }
}

/// What the ledger knew at the start and no event has changed since.
void EscrowChannels::restore() {
    if (std::exchange(restored_, true)) {
        return;
    }
    for (const PayerView& view : ledger_.payers()) {
        const auto owner = parse_address(view.chain.owner);
        const auto id = parse_channel_account(view.payer);
        if (!owner) {
            continue;
        }
        if (id && opened_.contains(*id) && channels_.try_emplace(*id, *owner).second) {
            ledger_.confirm_chain(view.payer);
            if (view.chain.signer.is_zero()) {
                note_channel(*owner, {view.payer, *id, view.chain.price}, view.chain.block);
            }
        }
        const auto trial = trial_ends_.find(*owner);
        if (trial != trial_ends_.end() && view.payer == trial_account(settings_.provider, *owner)) {
            ledger_.confirm_chain(view.payer);
            payers_[*owner].has_trial = true;
            payers_[*owner].trial_expires = trial->second;
        }
    }
}

async::Task<Result<void>> EscrowChannels::remember(chain::BlockHeader block, bool changed) {
    const bool due = changed || marks_.empty() || block.number >= marks_.back().number + kMarkEvery;
    if (!due || reorganised_) {
        co_return Result<void>{};
    }
    std::vector<internal::BlockMark> marks = marks_;
    if (marks.empty() && settings_.first_block < block.number) {
        CO_TRY(const chain::BlockHeader first,
            co_await client_.get_block(chain::BlockTag::at(settings_.first_block)));
        internal::add_mark(marks, {first.number, first.hash});
    }
    internal::add_mark(marks, {block.number, block.hash});
    // What was read up to the mark is in the log before the mark is.
    CO_TRY_VOID(co_await ledger_.flush());
    CO_TRY_VOID(co_await records_->save_marks(marks));
    marks_ = std::move(marks);
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
        if (topic == escrow_abi::TrialGrantedEvent::kTopic ||
            topic == escrow_abi::TrialConsumedEvent::kTopic) {
            const auto user = Address::from(
                entry.topics.size() > 2 ? entry.topics[2].view().subspan(12) : BytesView());
            if (user && entry.topics[1] == provider) {
                dirty_trials_.insert(*user);
            }
        } else if (std::ranges::find(entry.topics, provider) != entry.topics.end() ||
                   is_known(entry.topics[1])) {
            note_channel_event(entry);
        }
    }
}

bool EscrowChannels::is_known(const Bytes32& channel) const {
    return channels_.contains(channel) || opened_.contains(channel) ||
           ledger_.find(channel_account(channel)) != nullptr;
}

void EscrowChannels::note_channel_event(const chain::Log& entry) {
    const Bytes32& topic = entry.topics[0];
    const Bytes32& id = entry.topics[1];
    if (topic == escrow_abi::RowSkippedEvent::kTopic) {
        if (is_known(id)) {
            report_skipped(entry);
            // The reason shows in the channel, if it is not that the row was only sent twice.
            dirty_channels_.insert(id);
        }
        return;
    }
    const bool about_channel = topic == escrow_abi::ChannelOpenedEvent::kTopic ||
                               topic == escrow_abi::ChannelIncreasedEvent::kTopic ||
                               topic == escrow_abi::ConsumedEvent::kTopic ||
                               topic == escrow_abi::ClaimedEvent::kTopic ||
                               topic == escrow_abi::CloseRequestedEvent::kTopic ||
                               topic == escrow_abi::ChannelFinalEvent::kTopic;
    if (about_channel) {
        dirty_channels_.insert(id);
    }
}

async::Task<Result<void>> EscrowChannels::read_dirty(std::uint64_t block) {
    const std::set<Bytes32> channels = dirty_channels_;
    for (const Bytes32& id : channels) {
        CO_TRY_VOID(co_await read_channel(id, block));
        dirty_channels_.erase(id);
    }
    const std::set<Address> trials = dirty_trials_;
    for (const Address& user : trials) {
        CO_TRY_VOID(co_await read_trial(user, block));
        dirty_trials_.erase(user);
    }
    co_return Result<void>{};
}

async::Task<Result<void>> EscrowChannels::read_channel(Bytes32 id, std::uint64_t block) {
    auto channel = co_await escrow_.channel(id, chain::BlockTag::at(block));
    if (!channel && channel.error() == make_error_code(ChainError::not_found)) {
        CO_TRY_VOID(ledger_.record_missing(channel_account(id)));
        if (const auto payer = channels_.find(id); payer != channels_.end()) {
            Entry& entry = payers_[payer->second];
            if (entry.channel && entry.channel->id == id) {
                entry.channel.reset();
            }
        }
        co_return Result<void>{};
    }
    if (!channel) {
        co_return fail(channel.error());
    }
    co_return co_await take_over(*channel, block);
}

async::Task<Result<void>> EscrowChannels::take_over(
    chain::ChannelState channel, std::uint64_t block) {
    if (channel.provider != settings_.provider) {
        co_return Result<void>{};
    }
    const PayerAccount account = channel_account(channel.id);
    ChannelState state;
    state.asset = settings_.asset;
    state.owner = to_string(channel.payer);
    state.reserved = channel.reserved;
    state.claimed_on_chain = channel.claimed;
    state.signer = channel.signer;
    // With a signer it only bounds `consume` by a permit, which no node of ours sends.
    if (state.signer.is_zero()) {
        state.price = channel.price;
        state.calls_on_chain = channel.calls;
    }
    state.closing = channel.close_at.value != 0;
    state.is_final = channel.final;
    state.block = block;
    CO_TRY_VOID(ledger_.record_chain(account, state, move_));
    channels_[channel.id] = channel.payer;
    if (state.signer.is_zero()) {
        note_channel(channel.payer, {account, channel.id, channel.price}, block);
        unknown_.erase(channel.payer);
    }
    if (const auto known = opened_.find(channel.id);
        known == opened_.end() || known->second != channel.opened) {
        opened_[channel.id] = channel.opened;
        CO_TRY_VOID(co_await records_->save_opened(channel.id, channel.opened));
    }
    co_return Result<void>{};
}

/// An answer may be older than what is known by now; whether the channel is open is therefore what
/// the ledger, which takes only what is newer, says of it.
void EscrowChannels::note_channel(
    const Address& payer, PayerMoney::Channel channel, std::uint64_t block) {
    Entry& entry = payers_[payer];
    const auto view = ledger_.payer(channel.account);
    const bool open = view && !view->chain.closing && !view->chain.is_final && !view->missing;
    const bool is_current = entry.channel && entry.channel->id == channel.id;
    if (!open) {
        if (is_current) {
            entry.channel.reset();
        }
    } else if (is_current || !entry.channel || block >= entry.channel_block) {
        entry.channel = std::move(channel);
        entry.channel_block = std::max(block, is_current ? entry.channel_block : 0);
    }
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
    CO_TRY_VOID(ledger_.record_chain(trial_account(settings_.provider, user), state, move_));
    Entry& entry = payers_[user];
    entry.has_trial = true;
    entry.trial_expires = trial.expires;
    if (const auto known = trial_ends_.find(user);
        known == trial_ends_.end() || known->second != trial.expires) {
        trial_ends_[user] = trial.expires;
        CO_TRY_VOID(co_await records_->save_trial_end(user, trial.expires));
    }
    co_return Result<void>{};
}

UnixSeconds EscrowChannels::opened(const PayerAccount& account) const {
    const auto id = parse_channel_account(account);
    const auto found = id ? opened_.find(*id) : opened_.end();
    return found == opened_.end() ? UnixSeconds{0} : found->second;
}

std::optional<std::string> EscrowChannels::suspended() const {
    const chain::ChainStatus status = head_.status();
    if (status.may_serve_paid) {
        return std::nullopt;
    }
    return status.reason;
}

}  // namespace decloud::payments
