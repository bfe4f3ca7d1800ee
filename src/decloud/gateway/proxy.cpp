#include "proxy.hpp"

#include "internal/passage.hpp"
#include "internal/proxy_state.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/net/error.hpp>

#include <fmt/format.h>

#include <utility>
#include <variant>
#include <vector>

namespace decloud::gateway {

namespace {

/// As many as HTTP/2 clients may well ask for at once: dialling again costs more than a call.
constexpr std::size_t kIdlePerProvider = 1024;
/// Of one request, each through another tunnel of its provider.
constexpr std::size_t kMaxTunnelAttempts = 8;
const std::vector<double> kDurationBounds{
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

metrics::Histogram& duration_metric(metrics::Registry& metrics) {
    return metrics.histogram("decloud_gateway_request_duration_seconds",
        "From a request's head to the end of its answer.", {}, kDurationBounds);
}

}  // namespace

net::http::ClientSettings default_client_settings() {
    net::http::ClientSettings settings;
    settings.continue_timeout = std::chrono::seconds(30);
    // A GET of a function is a paid call.
    settings.replay_idempotent = false;
    settings.max_idle_per_host = kIdlePerProvider;
    settings.http2 = true;
    return settings;
}

namespace internal {

ProxyState::ProxyState(async::Executor executor,
    registry::ProviderSource& source,
    ProxySettings settings,
    Proxy::Readiness readiness,
    metrics::Registry& metrics)
    : executor_(executor),
      source_(source),
      settings_(std::move(settings)),
      readiness_(std::move(readiness)),
      client_(executor, settings_.client, settings_.policy),
      limiter_(settings_.limits, metrics),
      pseudonym_(fmt::format("decloud-{}", to_hex(crypto::random_bytes(8)))),
      tasks_(executor),
      duration_(duration_metric(metrics)) {
    for (std::size_t digit = 0; digit < requests_.size(); ++digit) {
        requests_.at(digit) = &metrics.counter("decloud_gateway_requests_total",
            "Requests by the class of their answer; none: the client left before it.",
            {{"code_class", digit == 0 ? std::string("none") : fmt::format("{}xx", digit)}});
    }
    if (settings_.providers) {
        fleet_ = std::make_unique<Fleet>(
            executor_, settings_.providers,
            [this](registry::Provider provider, net::http::ClientRequest request) {
                request.headers.add("Via", "1.1 " + pseudonym_);
                return ask(std::move(provider), std::move(request));
            },
            settings_.reputation);
    }
}

async::Task<Result<net::http::ClientResponse>> ProxyState::ask(
    registry::Provider provider, net::http::ClientRequest request) {
    // A body that is made while it is sent cannot be sent again.
    const bool repeatable = !std::holds_alternative<net::http::BodySource>(request.body);
    for (std::size_t attempt = 1;; ++attempt) {
        auto link = settings_.tunnel ? settings_.tunnel(provider) : nullptr;
        if (!link && settings_.may_come_back && settings_.may_come_back(provider)) {
            co_await settings_.await_tunnel(provider);
            link = settings_.tunnel(provider);
        }
        if (!link) {
            break;
        }
        auto response = co_await link->request(request);
        // A tunnel that has just been closed down did nothing about it.
        const bool untouched =
            !response && response.error() == make_error_code(net::NetError::connect_failed);
        if (!untouched || !repeatable || attempt == kMaxTunnelAttempts) {
            co_return response;
        }
    }
    co_return co_await client_.request(std::move(provider.url), std::move(request));
}

void ProxyState::record(int status, std::chrono::steady_clock::duration took) {
    const auto digit = static_cast<std::size_t>(status / 100);
    requests_.at(digit < requests_.size() ? digit : 0)->increment();
    duration_.observe(std::chrono::duration<double>(took).count());
}

void ProxyState::relay(std::unique_ptr<net::Stream> client,
    std::unique_ptr<net::Stream> provider,
    std::vector<RequestLimiter::Place> places) {
    auto place = std::make_shared<Place>(*this);
    const auto relay = std::make_shared<net::Relay>(executor_, std::move(client),
        std::move(provider), net::RelaySettings{.idle = settings_.upgraded_idle_timeout},
        [this, place = std::move(place), places = std::move(places)](
            net::Relay& ended) { relays_.erase(&ended); });
    relays_.insert(relay.get());
    relay->start(tasks_);
}

async::Task<void> ProxyState::stop() {
    for (net::Relay* relay : std::vector(relays_.begin(), relays_.end())) {
        relay->close();
    }
    if (fleet_) {
        co_await fleet_->stop();
    }
    co_await tasks_.join();
    co_await client_.stop();
}

}  // namespace internal

Proxy::Proxy(async::Executor executor,
    registry::ProviderSource& source,
    ProxySettings settings,
    Readiness readiness,
    metrics::Registry& metrics)
    : state_(std::make_unique<internal::ProxyState>(
          std::move(executor), source, std::move(settings), std::move(readiness), metrics)) {}

Proxy::~Proxy() = default;

async::Task<void> Proxy::handle(net::http::Exchange exchange) {
    const auto started = std::chrono::steady_clock::now();
    const internal::ProxyState::Place place(*state_);
    internal::Passage passage(*state_, std::move(exchange));
    co_await passage.run();
    state_->record(passage.status(), std::chrono::steady_clock::now() - started);
}

async::Task<void> Proxy::stop() { return state_->stop(); }
std::size_t Proxy::active() const { return state_->active(); }
const std::string& Proxy::pseudonym() const { return state_->pseudonym(); }

}  // namespace decloud::gateway
