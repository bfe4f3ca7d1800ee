#include "internal/ledger_state.hpp"
#include "ledger.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/log.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace decloud::payments {

namespace {

constexpr std::chrono::seconds kSaveTimeout{60};
constexpr std::chrono::seconds kRetryAfter{1};

}  // namespace

std::shared_ptr<const internal::Checkpoint> Ledger::State::take_checkpoint() {
    auto checkpoint = std::make_shared<internal::Checkpoint>();
    const UnixSeconds time = now();
    book_.sweep(time);
    book_.drop_expired_counters(time);
    checkpoint->sequence = last_sequence_;
    checkpoint->next_hold = next_hold_;
    checkpoint->next_receipt = book_.next_receipt();
    checkpoint->swept_until = book_.swept_until();
    checkpoint->changes = book_.take_changes();
    for (const Hold& hold : holds_) {
        if (hold.serial != 0 && hold.sequence != 0) {
            checkpoint->open_holds.push_back({hold.serial, hold.payer, hold.held,
                hold.served.has_value(), hold.key == nullptr ? std::string{} : hold.key->first});
        }
    }
    // Its records are among those that the log may drop.
    ahead_.stop();
    checkpoint->now = time.value;
    const auto age = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(settings_.receipt_age).count());
    checkpoint->receipts_from_time = time.value > age ? time.value - age : 0;
    checkpoint->receipts_from_serial = checkpoint->next_receipt > settings_.max_receipts
                                           ? checkpoint->next_receipt - settings_.max_receipts
                                           : 0;
    bytes_since_checkpoint_ = 0;
    return checkpoint;
}

async::Task<Result<void>> Ledger::State::save_checkpoint() {
    const auto checkpoint = unsaved_;
    // The file must never know of calls that the log could still lose.
    CO_TRY_VOID(co_await log_->durable(checkpoint->sequence));
    CO_TRY_VOID(co_await async::offload(
        pool_, [store = store_.get(), checkpoint] { return store->save(*checkpoint); }));
    checkpoint_sequence_ = checkpoint->sequence;
    book_.forget_receipts_below(checkpoint->next_receipt);
    unsaved_.reset();
    log_->rotate();
    log_->drop_before(checkpoint_sequence_ + 1);
    co_return Result<void>{};
}

async::Task<Result<void>> Ledger::State::checkpoint() {
    while (saving_) {
        CO_TRY_VOID(co_await saved_.wait(kSaveTimeout));
    }
    saving_ = true;
    saved_.reset();
    Result<void> saved;
    if (unsaved_) {
        saved = co_await save_checkpoint();
    }
    if (saved && last_sequence_ > checkpoint_sequence_) {
        unsaved_ = take_checkpoint();
        saved = co_await save_checkpoint();
    }
    saving_ = false;
    saved_.set();
    co_return saved;
}

async::Task<void> Ledger::State::maintain() {
    while (!closing_) {
        const bool full = bytes_since_checkpoint_ >= settings_.checkpoint_bytes;
        if (save_failing_) {
            upkeep_.expires_after(kRetryAfter);
        } else if (full) {
            upkeep_.expires_after(std::chrono::seconds(0));
        } else {
            upkeep_.expires_after(settings_.checkpoint_age);
        }
        boost::system::error_code woken;
        co_await upkeep_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
        if (closing_) {
            co_return;
        }
        const auto saved = co_await checkpoint();
        if (!saved && !save_failing_) {
            log::error("payments", "the log is not folded: {}", saved.error().message());
        }
        save_failing_ = !saved;
    }
}

}  // namespace decloud::payments
