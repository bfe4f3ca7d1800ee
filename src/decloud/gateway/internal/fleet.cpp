#include "fleet.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/crypto/random.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <bit>
#include <random>
#include <utility>

namespace decloud::gateway::internal {

namespace {

/// Nothing depends on nobody guessing it.
std::function<std::uint64_t()> random_source() {
    return [engine = std::mt19937_64(std::bit_cast<std::uint64_t>(
                crypto::random_array<8>()))]() mutable { return engine(); };
}

}  // namespace

Fleet::Fleet(async::Executor executor,
    Offers::Providers providers,
    Offers::Ask ask,
    const protocol::ReputationView* reputation,
    FleetSettings settings)
    : executor_(executor),
      ask_(ask),
      reputation_(reputation),
      settings_(settings),
      balancer_(settings.balancer, random_source()),
      offers_(executor, std::move(providers), std::move(ask), settings.offers),
      tasks_(executor) {
    tasks_.spawn(watch());
}

Candidate Fleet::candidate(const Offer& offer) const {
    Candidate out{.name = offer.provider->name.full(), .price = offer.price};
    if (reputation_ != nullptr) {
        out.reputation = reputation_->score(to_string(offer.provider->address));
    }
    return out;
}

async::Task<Result<bool>> Fleet::is_ready(std::shared_ptr<const registry::Provider> provider) {
    net::http::ClientRequest request{
        .target = "/readyz", .headers = {{"Host", provider->url.authority()}}};
    CO_TRY(auto response, co_await ask_(*provider, std::move(request)));
    const bool ready = response.status() == 200;
    // The connection is of use again once the answer was read.
    CO_TRY_VOID(co_await response.read_all(4096));
    co_return ready;
}

async::Task<void> Fleet::probe(std::shared_ptr<const registry::Provider> provider) {
    try {
        const auto ready =
            co_await async::with_timeout(settings_.probe_timeout, is_ready(provider));
        note(provider->name.full(), ready && *ready);
    } catch (const boost::system::system_error&) {
        // Only `stop` cancels.
        co_return;
    }
}

void Fleet::note(const std::string& name, bool ready) {
    const auto now = std::chrono::steady_clock::now();
    balancer_.probed(name, ready, now);
    Probe& probe = probes_[name];
    probe.running = false;
    if (!balancer_.is_left_out(name, now)) {
        probe.pause = {};
        return;
    }
    probe.pause =
        std::clamp(probe.pause * 2, settings_.probe_interval, settings_.longest_probe_pause);
    probe.due = now + probe.pause;
}

async::Task<void> Fleet::watch() {
    for (;;) {
        co_await async::delay(settings_.probe_interval);
        const auto now = std::chrono::steady_clock::now();
        const auto names = balancer_.used_since(now - settings_.interest);
        // They are in order.
        std::erase_if(probes_, [&](const auto& one) {
            return !one.second.running && !std::ranges::binary_search(names, one.first);
        });
        auto running = static_cast<std::size_t>(
            std::ranges::count_if(probes_, [](const auto& one) { return one.second.running; }));
        for (const std::string& name : names) {
            Probe& one = probes_[name];
            if (one.running || (one.pause.count() > 0 && now < one.due)) {
                continue;
            }
            auto provider = offers_.find_provider(name);
            if (provider && running < settings_.max_probed) {
                ++running;
                one.running = true;
                tasks_.spawn(probe(std::move(provider)));
            }
        }
    }
}

async::Task<void> Fleet::stop() {
    tasks_.cancel();
    co_await tasks_.join();
    co_await offers_.stop();
}

}  // namespace decloud::gateway::internal
