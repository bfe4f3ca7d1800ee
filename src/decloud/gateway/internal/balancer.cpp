#include "balancer.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace decloud::gateway::internal {

namespace {

/// Of an answer that took no time that could be measured.
constexpr double kLeastLatency = 0.0001;
/// How much a dear or ill-reputed provider weighs at most, against the best.
constexpr double kMostWeight = 8;
constexpr double kBestReputation = 1'000'000;

double ratio(Uint128 price, Uint128 cheapest) {
    if (price == cheapest) {
        return 1;
    }
    // Free ones are cheaper than any, without dividing by zero.
    return (static_cast<double>(price) + 1) / (static_cast<double>(cheapest) + 1);
}

}  // namespace

Balancer::Balancer(BalancerSettings settings, std::function<std::uint64_t()> random)
    : settings_(settings), random_(std::move(random)) {}

const Balancer::Track* Balancer::find(std::string_view name) const {
    const auto found = tracks_.find(name);
    return found == tracks_.end() ? nullptr : &found->second;
}

Balancer::Track& Balancer::track(std::string_view name, TimePoint now) {
    if (const auto found = tracks_.find(name); found != tracks_.end()) {
        return found->second;
    }
    if (tracks_.size() >= settings_.max_tracked) {
        const auto oldest = std::ranges::min_element(tracks_, {},
            [](const auto& one) { return std::pair(one.second.active > 0, one.second.used); });
        if (oldest->second.active == 0) {
            tracks_.erase(oldest);
        }
    }
    return tracks_.try_emplace(std::string(name), Track{.measured = now, .used = now})
        .first->second;
}

double Balancer::latency_now(const Track& track, TimePoint now) const {
    const std::chrono::duration<double> since = now - track.measured;
    const std::chrono::duration<double> decay = settings_.decay;
    return track.latency * std::exp(-std::max(since.count(), 0.0) / decay.count());
}

double Balancer::cost(
    const Candidate& candidate, Preference preference, Uint128 cheapest, TimePoint now) const {
    const Track* const known = find(candidate.name);
    const double latency = std::max(known == nullptr ? 0 : latency_now(*known, now), kLeastLatency);
    const double busy = static_cast<double>(known == nullptr ? 0 : known->active) + 1;
    const double dear = std::min(ratio(candidate.price, cheapest), kMostWeight);
    const double ill = std::min(
        kBestReputation / std::max(static_cast<double>(candidate.reputation), 1.0), kMostWeight);
    switch (preference) {
        case Preference::latency:
            return latency * busy;
        case Preference::price:
        case Preference::reputation:
        case Preference::balanced:
            return latency * busy * dear * ill;
    }
    std::unreachable();
}

std::size_t Balancer::choose(
    std::span<const Candidate> candidates, Preference preference, TimePoint now) {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (!is_left_out(candidates[i].name, now)) {
            open.push_back(i);
        }
    }
    if (open.empty()) {
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            open.push_back(i);
        }
    }
    const auto price = [&](std::size_t i) { return candidates[i].price; };
    const Uint128 cheapest = price(*std::ranges::min_element(open, {}, price));
    if (preference == Preference::price) {
        std::erase_if(open, [&](std::size_t i) { return price(i) != cheapest; });
    }
    if (preference == Preference::reputation) {
        const auto reputation = [&](std::size_t i) { return candidates[i].reputation; };
        const auto best = reputation(*std::ranges::max_element(open, {}, reputation));
        std::erase_if(open, [&](std::size_t i) { return reputation(i) != best; });
    }
    if (open.size() == 1) {
        return open.front();
    }
    const std::size_t first = random_() % open.size();
    const std::size_t second = (first + 1 + random_() % (open.size() - 1)) % open.size();
    const auto cost_of = [&](std::size_t i) {
        return cost(candidates[open[i]], preference, cheapest, now);
    };
    return cost_of(second) < cost_of(first) ? open[second] : open[first];
}

void Balancer::begin(std::string_view name, TimePoint now) {
    Track& one = track(name, now);
    ++one.active;
    one.used = now;
}

void Balancer::end(std::string_view name) {
    if (const auto found = tracks_.find(name); found != tracks_.end() && found->second.active > 0) {
        --found->second.active;
    }
}

void Balancer::succeeded(std::string_view name, std::chrono::duration<double> took, TimePoint now) {
    Track& one = track(name, now);
    const double before = latency_now(one, now);
    const std::chrono::duration<double> since = now - one.measured;
    const std::chrono::duration<double> decay = settings_.decay;
    const double old = std::exp(-std::max(since.count(), 0.0) / decay.count());
    one.latency =
        took.count() >= before ? took.count() : one.latency * old + took.count() * (1 - old);
    one.measured = now;
    one.failures = 0;
    if (std::exchange(one.out, false)) {
        log::info("gateway", "{} answers again", name);
    }
}

void Balancer::leave_out(std::string_view name, Track& one, TimePoint now) {
    one.back = now + settings_.rest;
    if (!std::exchange(one.out, true)) {
        log::info("gateway", "{} is left out: it does not answer", name);
    }
}

void Balancer::failed(std::string_view name, bool at_once, TimePoint now) {
    Track& one = track(name, now);
    ++one.failures;
    if (at_once || one.failures >= settings_.tolerated_failures) {
        leave_out(name, one, now);
    }
}

void Balancer::probed(std::string_view name, bool healthy, TimePoint now) {
    const auto found = tracks_.find(name);
    if (found == tracks_.end()) {
        return;
    }
    if (!healthy) {
        failed(name, false, now);
        return;
    }
    found->second.failures = 0;
    if (std::exchange(found->second.out, false)) {
        log::info("gateway", "{} is healthy again", name);
    }
}

bool Balancer::is_left_out(std::string_view name, TimePoint now) const {
    const Track* const known = find(name);
    return known != nullptr && known->out && now < known->back;
}

std::size_t Balancer::active(std::string_view name) const {
    const Track* const known = find(name);
    return known == nullptr ? 0 : known->active;
}

std::vector<std::string> Balancer::used_since(TimePoint since) const {
    std::vector<std::string> out;
    for (const auto& [name, one] : tracks_) {
        if (one.out || one.used >= since) {
            out.push_back(name);
        }
    }
    return out;
}

}  // namespace decloud::gateway::internal
