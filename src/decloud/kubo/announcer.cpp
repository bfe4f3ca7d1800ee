#include "announcer.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>
#include <utility>

namespace decloud::kubo {

namespace {

constexpr std::size_t kRootsAtOnce = 256;

}  // namespace

Announcer::Announcer(Roots roots, Announce announce, AnnounceRules rules)
    : roots_(std::move(roots)),
      announce_(std::move(announce)),
      rules_(rules),
      next_round_(std::chrono::steady_clock::now()),
      thread_([this] { run(); }) {}

Announcer::~Announcer() { stop(); }

void Announcer::add(const Cid& root) {
    const std::lock_guard lock(mutex_);
    if (added_.size() < rules_.max_waiting && std::ranges::find(added_, root) == added_.end()) {
        added_.push_back(root);
        changed_.notify_all();
    }
}

void Announcer::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Announcer::run() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
        const auto root = next(lock);
        if (!root) {
            changed_.wait_until(lock, next_round_, [this] { return stopped_ || !added_.empty(); });
            continue;
        }
        lock.unlock();
        const auto announced = announce_(*root);
        lock.lock();
        if (announced) {
            told_.clear();
        } else if (!stopped_) {
            tell(announced.error());
        }
        if (!announced || *announced) {
            changed_.wait_for(lock, announced ? rules_.between : rules_.after_failure,
                [this] { return stopped_; });
        }
    }
}

std::optional<Cid> Announcer::next(std::unique_lock<std::mutex>& lock) {
    const Time now = std::chrono::steady_clock::now();
    if (!in_round_ && now >= next_round_) {
        in_round_ = true;
        after_.reset();
        next_round_ = now + rules_.round;
    }
    if (added_.empty() && page_.empty() && in_round_) {
        read_page(lock);
    }
    for (std::deque<Cid>* const waiting : {&added_, &page_}) {
        if (!waiting->empty()) {
            Cid root = std::move(waiting->front());
            waiting->pop_front();
            return root;
        }
    }
    return std::nullopt;
}

void Announcer::read_page(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    auto page = roots_(after_, kRootsAtOnce);
    lock.lock();
    if (!page) {
        tell(page.error());
    }
    if (!page || page->empty()) {
        in_round_ = false;
        return;
    }
    after_ = page->back();
    page_.assign(page->begin(), page->end());
}

void Announcer::tell(const Error& error) {
    if (std::exchange(told_, error.message()) != error.message()) {
        log::warning("kubo", "the network could not be told of content: {}", error.message());
    }
}

}  // namespace decloud::kubo
