#include "early_preparation.hpp"

#include <utility>

namespace decloud::services {

void EarlyPreparation::add(multiformats::Cid cid) {
    if (stopped_ || waiting_.size() >= kMostWaiting) {
        return;
    }
    waiting_.push_back(std::move(cid));
    if (!std::exchange(working_, true)) {
        tasks_.spawn(work());
    }
}

async::Task<void> EarlyPreparation::work() {
    while (!stopped_ && !waiting_.empty()) {
        multiformats::Cid cid = std::move(waiting_.front());
        waiting_.pop_front();
        co_await deployments_.make_ready(std::move(cid));
    }
    working_ = false;
}

async::Task<void> EarlyPreparation::stop() {
    stopped_ = true;
    co_await tasks_.join();
}

}  // namespace decloud::services
