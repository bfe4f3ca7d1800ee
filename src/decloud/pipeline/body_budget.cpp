#include "body_budget.hpp"

namespace decloud::pipeline {

std::optional<BodyBudget::Share> BodyBudget::reserve(std::string_view client, std::uint64_t bytes) {
    if (bytes == 0) {
        return Share(nullptr, {}, 0);
    }
    std::string key(client);
    const auto held = clients_.find(key);
    const std::uint64_t of_client = held == clients_.end() ? 0 : held->second;
    if (bytes > limits_.total - used_ || of_client > limits_.per_client ||
        bytes > limits_.per_client - of_client) {
        return std::nullopt;
    }
    used_ += bytes;
    clients_[key] = of_client + bytes;
    return Share(this, std::move(key), bytes);
}

void BodyBudget::give_back(const std::string& client, std::uint64_t bytes) {
    used_ -= bytes;
    const auto held = clients_.find(client);
    held->second -= bytes;
    if (held->second == 0) {
        clients_.erase(held);
    }
}

}  // namespace decloud::pipeline
