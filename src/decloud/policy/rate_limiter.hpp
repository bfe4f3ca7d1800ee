#pragma once

#include "rule.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <unordered_map>

namespace decloud::policy {

/// A bucket that a request takes a token from.
struct RateKey {
    RateLimit limit;
    /// Whose, of which rule.
    std::string key;
};

/// What the buckets say.
struct RateAnswer {
    bool allowed = true;
    /// Requests that are left in the scarcest bucket.
    std::uint64_t remaining = 0;
    /// Refused: until there is a token; else until the scarcest bucket is full.
    std::chrono::seconds wait{};
    /// Of the scarcest bucket: so many requests in so much time.
    std::uint64_t quota = 0;
    std::chrono::seconds window{};
};

/// Token buckets of bounded memory: the one that was not asked for longest goes first. Single
/// threaded.
class RateLimiter {
  public:
    explicit RateLimiter(std::size_t max_buckets = 65'536) : max_buckets_(max_buckets) {}

    /// Takes a token from each, or from none if one is empty.
    [[nodiscard]] RateAnswer take(
        std::span<const RateKey> keys, std::chrono::system_clock::time_point now);
    [[nodiscard]] std::size_t size() const { return buckets_.size(); }

  private:
    struct Bucket {
        double seconds = 0;  ///< tokens of `per_second`
        double day = 0;      ///< tokens of `per_day`
        std::chrono::system_clock::time_point at;
        std::list<std::string>::iterator place;
    };
    [[nodiscard]] Bucket& find(const RateKey& key, std::chrono::system_clock::time_point now);

    std::size_t max_buckets_;
    std::unordered_map<std::string, Bucket> buckets_;
    /// The one that was asked for last is at the end.
    std::list<std::string> order_;
};

}  // namespace decloud::policy
