#pragma once

#include "../request_limits.hpp"

#include <chrono>
#include <expected>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace decloud::gateway::internal {

/// Holds each of many keys to one limit. Single threaded. What `enter` gives may outlive it.
class KeyedLimit {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;
    /// After so long it may be tried again.
    using Refusal = std::chrono::seconds;

    KeyedLimit(RequestLimit limit, std::size_t max_keys);

    /// A place among the requests under way of `key`, for as long as it is kept; null without a
    /// limit. Counts it. Error: how long to wait.
    [[nodiscard]] std::expected<std::shared_ptr<void>, Refusal> enter(
        const std::string& key, TimePoint now);
    /// As `enter`, but nothing is counted and no place is taken.
    [[nodiscard]] std::expected<void, Refusal> check(const std::string& key, TimePoint now) const;
    /// Counts one.
    void count(const std::string& key, TimePoint now);
    [[nodiscard]] std::size_t size() const;

  private:
    /// The generic cell rate algorithm: `due` is when all that was counted would have been asked
    /// for at the steady rate.
    struct Entry {
        TimePoint due{};
        std::uint32_t under_way = 0;
        std::list<std::string>::iterator place{};
    };
    struct Table {
        std::unordered_map<std::string, Entry> entries;
        /// The longest unused first.
        std::list<std::string> order;
    };

    [[nodiscard]] Entry& touch(const std::string& key);
    void forget_one();
    [[nodiscard]] std::expected<void, Refusal> judge(const Entry& entry, TimePoint now) const;
    [[nodiscard]] TimePoint counted(const Entry& entry, TimePoint now) const;

    RequestLimit limit_;
    std::size_t max_keys_;
    std::chrono::nanoseconds interval_;
    std::chrono::nanoseconds tolerance_;
    std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

}  // namespace decloud::gateway::internal
