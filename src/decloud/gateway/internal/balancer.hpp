#pragma once

#include <decloud/base/evm_types.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::gateway::internal {

/// One of the providers among which is chosen.
struct Candidate {
    /// Its full name.
    std::string name;
    /// Of one call, in the smallest unit.
    Uint128 price = 0;
    /// As `protocol::ReputationView` has it: 0 to 1,000,000.
    std::uint32_t reputation = 500'000;
};

/// What a choice looks at first.
enum class Preference : std::uint8_t { balanced, latency, price, reputation };

/// How choices and health are judged.
struct BalancerSettings {
    /// In which what was measured counts for a third.
    std::chrono::steady_clock::duration decay = std::chrono::seconds(10);
    /// Failures in a row after which a provider is left out; a refused connection is enough alone.
    int tolerated_failures = 2;
    /// A provider that is left out and is not asked for its health comes back after this long.
    std::chrono::steady_clock::duration rest = std::chrono::seconds(30);
    /// Providers that are remembered; the longest unused go first.
    std::size_t max_tracked = 4096;
};

/// Chooses providers by the latency of their answers (peak EWMA: it rises at once and falls
/// slowly) times what they have under way, and by price and reputation, with power of two choices;
/// leaves out those that fail. Single threaded.
class Balancer {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// `random` gives any 64 bits.
    Balancer(BalancerSettings settings, std::function<std::uint64_t()> random);

    /// The index of the chosen one. Those that are left out are chosen from only if all are.
    /// `candidates` is not empty.
    [[nodiscard]] std::size_t choose(
        std::span<const Candidate> candidates, Preference preference, TimePoint now);

    /// A request to `name` begins; it counts as under way until `end`.
    void begin(std::string_view name, TimePoint now);
    void end(std::string_view name);
    /// Its head was answered after this long.
    void succeeded(std::string_view name, std::chrono::duration<double> took, TimePoint now);
    /// It did not answer; `at_once`: it did not even take the connection.
    void failed(std::string_view name, bool at_once, TimePoint now);
    /// What asking for its health has told.
    void probed(std::string_view name, bool healthy, TimePoint now);

    [[nodiscard]] bool is_left_out(std::string_view name, TimePoint now) const;
    [[nodiscard]] std::size_t active(std::string_view name) const;
    /// Whose health is worth asking for: used since `since`, or left out.
    [[nodiscard]] std::vector<std::string> used_since(TimePoint since) const;

  private:
    struct Track {
        /// Seconds, as of `measured`.
        double latency = 0;
        TimePoint measured{};
        TimePoint used{};
        std::size_t active = 0;
        int failures = 0;
        bool out = false;
        TimePoint back{};
    };

    [[nodiscard]] Track& track(std::string_view name, TimePoint now);
    [[nodiscard]] const Track* find(std::string_view name) const;
    [[nodiscard]] double latency_now(const Track& track, TimePoint now) const;
    [[nodiscard]] double cost(
        const Candidate& candidate, Preference preference, Uint128 cheapest, TimePoint now) const;
    void leave_out(std::string_view name, Track& track, TimePoint now);

    BalancerSettings settings_;
    std::function<std::uint64_t()> random_;
    std::map<std::string, Track, std::less<>> tracks_;
};

/// Counts a request as under way while it lives. The balancer outlives it.
class Load {
  public:
    Load(Balancer& balancer, std::string name) : balancer_(balancer), name_(std::move(name)) {
        balancer_.begin(name_, std::chrono::steady_clock::now());
    }
    ~Load() { balancer_.end(name_); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

  private:
    Balancer& balancer_;
    std::string name_;
};

}  // namespace decloud::gateway::internal
