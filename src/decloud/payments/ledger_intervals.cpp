#include "internal/ledger_state.hpp"
#include "ledger.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace decloud::payments {

using internal::PayerEntry;

Result<void> Ledger::State::extend(HoldId id, Amount more) {
    TRY_VOID(check_open());
    TRY(Hold * hold, find(id));
    PayerEntry& payer = book_.payer(hold->payer);
    TRY_VOID(check_money(payer, more));
    hold->held = Amount(hold->held.units() + more.units());
    book_.change(payer, [&] { payer.held = Amount(payer.held.units() + more.units()); });
    return {};
}

Result<void> Ledger::State::try_extend_interval(HoldId id, Amount more) {
    TRY_VOID(check_open());
    TRY(Hold * hold, find(id));
    for (const HeldCounter& counter : hold->counters) {
        const std::uint64_t used = counter.entry->finished + counter.entry->running;
        if (used >= counter.limit) {
            return fail(PaymentError::counter_exhausted,
                fmt::format("{}: {} of {}", counter.entry->record.key, used, counter.limit));
        }
    }
    TRY_VOID(extend(id, more));
    ++hold->claims;
    for (const HeldCounter& counter : hold->counters) {
        ++counter.entry->running;
    }
    return {};
}

async::Task<Result<void>> Ledger::State::extend_interval(HoldId id, Amount more) {
    constexpr int kLeases = 4;
    for (int leases = 0;; ++leases) {
        auto extended = try_extend_interval(id, more);
        if (extended || leases == kLeases ||
            extended.error() != make_error_code(PaymentError::slice_exhausted)) {
            co_return extended;
        }
        CO_TRY(const Hold* hold, find(id));
        CO_TRY_VOID(co_await lease(hold->payer, std::max(more, settings_.slice)));
    }
}

}  // namespace decloud::payments
