#include "keyed_limit.hpp"

#include <algorithm>
#include <utility>

namespace decloud::gateway::internal {

namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kSecond = std::chrono::seconds(1);
constexpr KeyedLimit::Refusal kSoon{1};
/// So many of the longest unused are looked at for one that is not under way.
constexpr int kLookedAt = 16;

}  // namespace

KeyedLimit::KeyedLimit(RequestLimit limit, std::size_t max_keys)
    : limit_(limit),
      max_keys_(max_keys),
      interval_(limit.per_second == 0 ? nanoseconds(0) : kSecond / limit.per_second),
      tolerance_(interval_ * ((limit.burst == 0 ? limit.per_second : limit.burst) - 1)) {}

KeyedLimit::TimePoint KeyedLimit::counted(const Entry& entry, TimePoint now) const {
    return std::max(entry.due, now) + interval_;
}

std::expected<void, KeyedLimit::Refusal> KeyedLimit::judge(
    const Entry& entry, TimePoint now) const {
    if (limit_.concurrent > 0 && entry.under_way >= limit_.concurrent) {
        return std::unexpected(kSoon);
    }
    const TimePoint early = std::max(entry.due, now) - tolerance_;
    if (limit_.per_second > 0 && early > now) {
        return std::unexpected(std::chrono::ceil<std::chrono::seconds>(early - now));
    }
    return {};
}

KeyedLimit::Entry& KeyedLimit::touch(const std::string& key) {
    auto found = table_->entries.find(key);
    if (found != table_->entries.end()) {
        table_->order.splice(table_->order.end(), table_->order, found->second.place);
        return found->second;
    }
    if (table_->entries.size() >= max_keys_) {
        forget_one();
    }
    table_->order.push_back(key);
    Entry& entry = table_->entries[key];
    entry.place = std::prev(table_->order.end());
    return entry;
}

void KeyedLimit::forget_one() {
    auto& order = table_->order;
    auto oldest = order.begin();
    for (int looked = 0; looked < kLookedAt && oldest != order.end(); ++looked, ++oldest) {
        if (table_->entries.at(*oldest).under_way == 0) {
            break;
        }
    }
    if (oldest == order.end()) {
        oldest = order.begin();
    }
    table_->entries.erase(*oldest);
    order.erase(oldest);
}

std::expected<std::shared_ptr<void>, KeyedLimit::Refusal> KeyedLimit::enter(
    const std::string& key, TimePoint now) {
    if (!limit_.is_set()) {
        return nullptr;
    }
    Entry& entry = touch(key);
    if (auto judged = judge(entry, now); !judged) {
        return std::unexpected(judged.error());
    }
    entry.due = counted(entry, now);
    ++entry.under_way;
    return std::shared_ptr<void>(table_.get(), [table = table_, key](void*) {
        const auto found = table->entries.find(key);
        if (found != table->entries.end() && found->second.under_way > 0) {
            --found->second.under_way;
        }
    });
}

std::expected<void, KeyedLimit::Refusal> KeyedLimit::check(
    const std::string& key, TimePoint now) const {
    const auto found = table_->entries.find(key);
    return found == table_->entries.end() ? std::expected<void, Refusal>()
                                          : judge(found->second, now);
}

void KeyedLimit::count(const std::string& key, TimePoint now) {
    if (limit_.per_second > 0) {
        Entry& entry = touch(key);
        entry.due = counted(entry, now);
    }
}

std::size_t KeyedLimit::size() const { return table_->entries.size(); }

}  // namespace decloud::gateway::internal
