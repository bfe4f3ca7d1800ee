#include "client_links.hpp"

#include <utility>

namespace decloud::net::http::internal {

namespace {

/// Most servers take a hundred requests at a time.
constexpr std::size_t kRequestsOfLink = 96;
/// Beyond that requests wait for their turn.
constexpr std::size_t kMaxLinks = 16;

}  // namespace

std::shared_ptr<Http2Requester> ClientLinks::find(const std::string& key) {
    const auto found = links_.find(key);
    if (found == links_.end()) {
        return nullptr;
    }
    Entry* best = nullptr;
    std::size_t usable = 0;
    for (Entry& entry : found->second) {
        if (!entry.link->ended()) {
            ++usable;
            best = best == nullptr || entry.link->active() < best->link->active() ? &entry : best;
        }
    }
    if (best == nullptr || (best->link->active() >= kRequestsOfLink && usable < kMaxLinks)) {
        return nullptr;
    }
    best->idle_since = TimePoint::max();
    return best->link;
}

void ClientLinks::add(const std::string& key, std::shared_ptr<Http2Requester> link) {
    links_[key].push_back({.link = std::move(link)});
}

void ClientLinks::remove(const std::string& key, const std::shared_ptr<Http2Requester>& link) {
    const auto found = links_.find(key);
    if (found == links_.end()) {
        return;
    }
    std::erase_if(found->second, [&](const Entry& entry) { return entry.link == link; });
    if (found->second.empty()) {
        links_.erase(found);
    }
}

void ClientLinks::sweep(TimePoint now, std::chrono::milliseconds idle_limit) {
    for (auto& [key, entries] : links_) {
        for (Entry& entry : entries) {
            if (entry.link->active() > 0) {
                entry.idle_since = TimePoint::max();
            } else if (entry.idle_since == TimePoint::max()) {
                entry.idle_since = now;
            } else if (now - entry.idle_since >= idle_limit) {
                entry.link->drain();
            }
        }
    }
}

void ClientLinks::close() {
    for (const auto& [key, entries] : links_) {
        for (const Entry& entry : entries) {
            entry.link->close();
        }
    }
}

}  // namespace decloud::net::http::internal
