#include "cancellation.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace decloud::async {

namespace internal {
struct CancellationState {
    bool cancelled = false;
    std::uint64_t next_id = 1;
    std::vector<std::pair<std::uint64_t, std::function<void()>>> callbacks;
};
}  // namespace internal

CancellationToken::Registration::Registration(
    std::weak_ptr<internal::CancellationState> state, std::uint64_t id)
    : state_(std::move(state)), id_(id) {}

CancellationToken::Registration::Registration(Registration&& other) noexcept
    : state_(std::move(other.state_)), id_(std::exchange(other.id_, 0)) {}

CancellationToken::Registration& CancellationToken::Registration::operator=(
    Registration&& other) noexcept {
    if (this != &other) {
        release();
        state_ = std::move(other.state_);
        id_ = std::exchange(other.id_, 0);
    }
    return *this;
}

CancellationToken::Registration::~Registration() { release(); }

void CancellationToken::Registration::release() {
    if (id_ == 0) {
        return;
    }
    if (const auto state = state_.lock()) {
        std::erase_if(state->callbacks, [this](const auto& entry) { return entry.first == id_; });
    }
    id_ = 0;
}

CancellationToken::CancellationToken(std::shared_ptr<internal::CancellationState> state)
    : state_(std::move(state)) {}

bool CancellationToken::cancelled() const { return state_ && state_->cancelled; }

CancellationToken::Registration CancellationToken::on_cancel(std::function<void()> callback) const {
    if (!state_) {
        return {};
    }
    if (state_->cancelled) {
        callback();
        return {};
    }
    const std::uint64_t id = state_->next_id++;
    state_->callbacks.emplace_back(id, std::move(callback));
    return {state_, id};
}

CancellationSource::CancellationSource()
    : state_(std::make_shared<internal::CancellationState>()) {}

CancellationToken CancellationSource::token() const { return CancellationToken(state_); }

bool CancellationSource::cancelled() const { return state_->cancelled; }

void CancellationSource::cancel() {
    if (std::exchange(state_->cancelled, true)) {
        return;
    }
    // A callback may destroy other registrations, or this source.
    const auto state = state_;
    while (!state->callbacks.empty()) {
        auto callback = std::move(state->callbacks.back().second);
        state->callbacks.pop_back();
        callback();
    }
}

}  // namespace decloud::async
