#pragma once

#include "segment_file.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

namespace decloud::content::internal {

/// Which blocks were read and hashed a short while ago: those that are asked for again and again
/// are not hashed each time. Takes its memory, about 400 KiB, with the first one. Thread safe.
class VerifiedBlocks {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;
    /// Rot that no write to the file announces is found by the next reader after this.
    static constexpr std::chrono::seconds kAge{60};

    /// True if the bytes there were noted in this generation of their segment, `kAge` ago at most.
    [[nodiscard]] bool contains(
        const Location& place, std::uint64_t generation, TimePoint now) const;
    /// They hash to their id.
    void note(const Location& place, std::uint64_t generation, TimePoint now);

  private:
    struct Entry {
        Location place;
        std::uint64_t generation = 0;
        TimePoint since;
    };
    static std::size_t slot_of(const Location& place);

    mutable std::mutex mutex_;
    /// Empty, or as many as there are slots; one pushes another out.
    std::vector<Entry> entries_;
};

}  // namespace decloud::content::internal
