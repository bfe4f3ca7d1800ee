#include "spent_statements.hpp"

#include <decloud/base/bytes.hpp>

#include <charconv>
#include <utility>

namespace decloud::services {

namespace {

constexpr std::uint64_t kSweepSeconds = 30;

}  // namespace

SpentStatements::SpentStatements(
    store::RecordStore& records, std::string prefix, const Clock& clock)
    : records_(records), prefix_(std::move(prefix)), clock_(clock) {}

Result<StatementUse> SpentStatements::use(
    const std::string& payer, const std::string& statement, UnixSeconds expires) {
    const std::lock_guard lock(mutex_);
    TRY_VOID(sweep());
    const std::string key = prefix_ + payer + ":" + statement;
    TRY(const auto known, records_.get(key));
    if (known) {
        return StatementUse::again;
    }
    if (live_[payer] >= kMostPerPayer) {
        return StatementUse::too_many;
    }
    TRY_VOID(records_.put(key, to_bytes(std::to_string(expires.value))));
    ++live_[payer];
    return StatementUse::first;
}

Result<void> SpentStatements::sweep() {
    const std::uint64_t now = clock_.unix_seconds().value;
    if (swept_ && now >= *swept_ && now - *swept_ < kSweepSeconds) {
        return {};
    }
    TRY(const auto known, records_.list(prefix_));
    live_.clear();
    for (const auto& [key, value] : known) {
        const std::string_view text = as_text(value);
        std::uint64_t expires = 0;
        (void)std::from_chars(text.data(), text.data() + text.size(), expires);
        if (expires < now) {
            TRY_VOID(records_.remove(key));
        } else {
            ++live_[key.substr(prefix_.size(), key.find(':', prefix_.size()) - prefix_.size())];
        }
    }
    swept_ = now;
    return {};
}

}  // namespace decloud::services
