#include "verified_blocks.hpp"

#include <cstddef>

namespace decloud::content::internal {

namespace {

constexpr unsigned kSlotBits = 13;
/// 2^64 divided by the golden ratio: neighbours go to slots far apart.
constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15;

}  // namespace

std::size_t VerifiedBlocks::slot_of(const Location& place) {
    return static_cast<std::size_t>(
        ((place.offset ^ (place.segment << 40U)) * kSpread) >> (64U - kSlotBits));
}

bool VerifiedBlocks::contains(
    const Location& place, std::uint64_t generation, TimePoint now) const {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) {
        return false;
    }
    const Entry& entry = entries_[slot_of(place)];
    return entry.place == place && entry.generation == generation && now - entry.since <= kAge;
}

void VerifiedBlocks::note(const Location& place, std::uint64_t generation, TimePoint now) {
    const std::lock_guard lock(mutex_);
    entries_.resize(std::size_t{1} << kSlotBits);
    entries_[slot_of(place)] = {.place = place, .generation = generation, .since = now};
}

}  // namespace decloud::content::internal
