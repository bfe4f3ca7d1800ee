#pragma once

#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace decloud::node {

/// How much is fetched in one period for people who have not paid, and how much of that for one.
struct FetchRules {
    std::chrono::steady_clock::duration period = std::chrono::hours(1);
    std::uint64_t bytes = 4 * kGiB;
    std::uint64_t bytes_per_client = kGiB;
    std::chrono::steady_clock::duration time_per_client = std::chrono::minutes(10);
    std::uint32_t fetches_per_client = 600;
    /// At once, for everybody.
    std::uint32_t fetches_at_once = 16;
    /// More clients than these wait for the next period.
    std::size_t max_clients = 65'536;
};

/// Keeps `FetchRules`. What a fetch may take is taken away from what is left before it begins, and
/// what it did not take is given back, so that many at once cannot take more than one after the
/// other. Single threaded.
class FetchAllowance {
  public:
    /// Nothing was fetched yet.
    explicit FetchAllowance(FetchRules rules) : rules_(rules) {}

    /// What one fetch may take.
    struct Grant {
        std::string client;
        std::uint64_t bytes = 0;
        std::chrono::steady_clock::duration time{};
        /// When the period ends from which it was taken.
        std::chrono::steady_clock::time_point period_ends{};
    };

    /// At most `wanted`'s bytes and time for its client. Errors: limit_exceeded if this client, or
    /// everybody, has had what there is in this period; unavailable if too many are under way.
    [[nodiscard]] Result<Grant> take(Grant wanted, std::chrono::steady_clock::time_point now);
    /// When it has ended. `used` of the bytes and the time were used, failed or not.
    void give_back(const Grant& granted,
        std::uint64_t bytes_used,
        std::chrono::steady_clock::duration time_used);

    /// Until more may be fetched for those who have had everything.
    [[nodiscard]] std::chrono::seconds wait(std::chrono::steady_clock::time_point now) const;

  private:
    struct Used {
        std::uint64_t bytes = 0;
        std::chrono::steady_clock::duration time{};
        std::uint32_t fetches = 0;
    };

    void begin_period(std::chrono::steady_clock::time_point now);

    FetchRules rules_;
    std::chrono::steady_clock::time_point ends_;
    std::unordered_map<std::string, Used> clients_;
    std::uint64_t bytes_ = 0;
    std::uint32_t under_way_ = 0;
};

}  // namespace decloud::node
