#include "answer_cache.hpp"

#include <utility>

namespace decloud::pipeline {

void AnswerCache::put(std::string key, Answer answer) {
    drop_expired();
    std::size_t bytes = answer.body.size() + key.size();
    for (const auto field : answer.head.headers) {
        bytes += field.name.size() + field.value.size();
    }
    if (answer.body.size() > limits_.max_answer_bytes || bytes > limits_.max_total_bytes ||
        entries_.contains(key)) {
        return;
    }
    while (total_bytes_ + bytes > limits_.max_total_bytes) {
        drop_oldest();
    }
    total_bytes_ += bytes;
    order_.push_back(key);
    entries_.emplace(
        std::move(key), Entry{std::move(answer), bytes, clock_.now() + limits_.max_age});
}

const Answer* AnswerCache::find(std::string_view key) {
    drop_expired();
    const auto found = entries_.find(std::string(key));
    return found == entries_.end() ? nullptr : &found->second.answer;
}

void AnswerCache::drop_oldest() {
    const auto found = entries_.find(order_.front());
    total_bytes_ -= found->second.bytes;
    entries_.erase(found);
    order_.pop_front();
}

void AnswerCache::drop_expired() {
    while (!order_.empty() && entries_.at(order_.front()).until <= clock_.now()) {
        drop_oldest();
    }
}

}  // namespace decloud::pipeline
