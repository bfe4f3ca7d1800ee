#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/net/http/message.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace decloud::pipeline {

/// An answer as it was sent.
struct Answer {
    net::http::ResponseHead head;
    Bytes body;
};

/// Keeps small answers for a while, so that a repeat of a paid request gets the first one's answer
/// instead of a second run. Bounded in total; the oldest go first. Single threaded.
class AnswerCache {
  public:
    /// Sizes in bytes: of one answer's body, and of all heads, bodies and keys together.
    struct Limits {
        std::size_t max_answer_bytes = 64 * 1024;
        std::size_t max_total_bytes = 64 * 1024 * 1024;
        std::chrono::seconds max_age{600};
    };

    /// Empty. `clock` outlives this.
    AnswerCache(Limits limits, const Clock& clock) : limits_(limits), clock_(clock) {}

    /// Does nothing if the answer is larger than is kept or the key has one already.
    void put(std::string key, Answer answer);
    /// Null if there is none. Valid until the next call of any method.
    [[nodiscard]] const Answer* find(std::string_view key);
    /// What all answers take now, with heads and keys.
    [[nodiscard]] std::size_t total_bytes() const { return total_bytes_; }

  private:
    struct Entry {
        Answer answer;
        std::size_t bytes = 0;
        std::chrono::system_clock::time_point until;
    };
    void drop_oldest();
    void drop_expired();

    Limits limits_;
    const Clock& clock_;
    std::unordered_map<std::string, Entry> entries_;
    std::deque<std::string> order_;
    std::size_t total_bytes_ = 0;
};

}  // namespace decloud::pipeline
