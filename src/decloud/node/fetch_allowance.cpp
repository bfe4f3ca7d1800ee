#include "fetch_allowance.hpp"

#include <algorithm>

namespace decloud::node {

namespace {

template <class T>
T less(T value, T by) {
    return value > by ? value - by : T{};
}

}  // namespace

void FetchAllowance::begin_period(std::chrono::steady_clock::time_point now) {
    if (now >= ends_) {
        ends_ = now + rules_.period;
        clients_.clear();
        bytes_ = 0;
    }
}

Result<FetchAllowance::Grant> FetchAllowance::take(
    Grant wanted, std::chrono::steady_clock::time_point now) {
    begin_period(now);
    if (under_way_ >= rules_.fetches_at_once) {
        return fail(CommonError::unavailable, "too much is being fetched at the moment");
    }
    auto found = clients_.find(wanted.client);
    if (found == clients_.end()) {
        if (clients_.size() >= rules_.max_clients) {
            return fail(CommonError::limit_exceeded, "too much was fetched for others");
        }
        found = clients_.emplace(wanted.client, Used{}).first;
    }
    Used& used = found->second;
    wanted.bytes = std::min(
        {wanted.bytes, less(rules_.bytes, bytes_), less(rules_.bytes_per_client, used.bytes)});
    wanted.time = std::min(wanted.time, less(rules_.time_per_client, used.time));
    if (wanted.bytes == 0 || wanted.time <= decltype(wanted.time)::zero() ||
        used.fetches >= rules_.fetches_per_client) {
        return fail(CommonError::limit_exceeded, "too much was fetched for this address");
    }
    ++under_way_;
    ++used.fetches;
    used.bytes += wanted.bytes;
    used.time += wanted.time;
    bytes_ += wanted.bytes;
    wanted.period_ends = ends_;
    return wanted;
}

void FetchAllowance::give_back(
    const Grant& granted, std::uint64_t bytes_used, std::chrono::steady_clock::duration time_used) {
    --under_way_;
    if (granted.period_ends != ends_) {
        return;
    }
    const std::uint64_t bytes = less(granted.bytes, bytes_used);
    bytes_ = less(bytes_, bytes);
    if (const auto found = clients_.find(granted.client); found != clients_.end()) {
        found->second.bytes = less(found->second.bytes, bytes);
        found->second.time = less(found->second.time, less(granted.time, time_used));
    }
}

std::chrono::seconds FetchAllowance::wait(std::chrono::steady_clock::time_point now) const {
    return std::max(std::chrono::ceil<std::chrono::seconds>(ends_ - now), std::chrono::seconds(1));
}

}  // namespace decloud::node
