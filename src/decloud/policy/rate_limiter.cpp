#include "rate_limiter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace decloud::policy {

namespace {

constexpr double kDay = 86'400;
constexpr double kRounding = 1e-6;

/// One of the two buckets of a limit.
struct Level {
    double tokens = 0;
    double capacity = 0;
    double per_second = 0;

    [[nodiscard]] double until(double wanted) const {
        return std::max(0.0, (wanted - tokens) / per_second);
    }
};

/// What the levels of all buckets say, before or after the taking.
class Scarcest {
  public:
    void add(const Level& level) {
        if (level.tokens < 1 - kRounding) {
            refused_ = true;
            if (level.until(1) > wait_) {
                wait_ = level.until(1);
                scarcest_ = level;
            }
        }
        const double left = std::max(0.0, std::floor(level.tokens + kRounding));
        if (left < remaining_) {
            remaining_ = left;
            full_ = level.until(level.capacity);
            if (!refused_) {
                scarcest_ = level;
            }
        }
    }
    [[nodiscard]] bool refused() const { return refused_; }
    [[nodiscard]] RateAnswer answer() const {
        const double seconds = std::ceil(refused_ ? wait_ : full_);
        return {.allowed = !refused_,
            .remaining = static_cast<std::uint64_t>(refused_ ? 0 : remaining_),
            .wait = std::chrono::seconds(static_cast<std::int64_t>(seconds)),
            .quota = static_cast<std::uint64_t>(scarcest_.capacity),
            .window = std::chrono::seconds(static_cast<std::int64_t>(
                std::ceil(scarcest_.capacity / scarcest_.per_second - kRounding)))};
    }

  private:
    Level scarcest_{.tokens = 0, .capacity = 1, .per_second = 1};
    bool refused_ = false;
    double wait_ = 0;
    double full_ = 0;
    double remaining_ = static_cast<double>(std::numeric_limits<std::uint32_t>::max());
};

}  // namespace

RateLimiter::Bucket& RateLimiter::find(
    const RateKey& key, std::chrono::system_clock::time_point now) {
    const auto [found, is_new] = buckets_.try_emplace(key.key);
    Bucket& bucket = found->second;
    const auto capacity = static_cast<double>(key.limit.burst);
    const auto day = static_cast<double>(key.limit.per_day);
    if (is_new) {
        bucket.place = order_.insert(order_.end(), key.key);
        bucket.seconds = capacity;
        bucket.day = day;
    } else {
        order_.splice(order_.end(), order_, bucket.place);
        const double passed = std::max(0.0, std::chrono::duration<double>(now - bucket.at).count());
        bucket.seconds = std::min(capacity, bucket.seconds + passed * key.limit.per_second);
        bucket.day = std::min(day, bucket.day + passed * day / kDay);
    }
    bucket.at = now;
    return bucket;
}

RateAnswer RateLimiter::take(
    std::span<const RateKey> keys, std::chrono::system_clock::time_point now) {
    const auto look = [&](Scarcest& all, double taken) {
        for (const RateKey& key : keys) {
            Bucket& bucket = find(key, now);
            if (key.limit.per_second > 0) {
                bucket.seconds -= taken;
                all.add({bucket.seconds, static_cast<double>(key.limit.burst),
                    static_cast<double>(key.limit.per_second)});
            }
            if (key.limit.per_day > 0) {
                bucket.day -= taken;
                all.add({bucket.day, static_cast<double>(key.limit.per_day),
                    static_cast<double>(key.limit.per_day) / kDay});
            }
        }
    };
    Scarcest before;
    look(before, 0);
    RateAnswer answer = before.answer();
    if (!before.refused()) {
        Scarcest after;
        look(after, 1);
        answer = after.answer();
        if (!answer.allowed) {
            // The last token was taken: nothing is left, but this one passes.
            answer.allowed = true;
        }
    }
    while (buckets_.size() > max_buckets_) {
        buckets_.erase(order_.front());
        order_.pop_front();
    }
    return answer;
}

}  // namespace decloud::policy
