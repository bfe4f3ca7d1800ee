#pragma once

#include "../proxy.hpp"
#include "fleet.hpp"
#include "request_limiter.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/net/relay.hpp>

#include <array>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace decloud::gateway::internal {

/// What the requests of a gateway share. Single threaded.
class ProxyState {
  public:
    ProxyState(async::Executor executor,
        registry::ProviderSource& source,
        ProxySettings settings,
        Proxy::Readiness readiness,
        metrics::Registry& metrics);

    [[nodiscard]] async::Task<void> stop();

    [[nodiscard]] const async::Executor& executor() const { return executor_; }
    [[nodiscard]] registry::ProviderSource& source() { return source_; }
    [[nodiscard]] const ProxySettings& settings() const { return settings_; }
    [[nodiscard]] net::http::Client& client() { return client_; }
    [[nodiscard]] RequestLimiter& limiter() { return limiter_; }
    /// Asks a provider by its tunnel, if it has one that can be used, or by its URL.
    [[nodiscard]] async::Task<Result<net::http::ClientResponse>> ask(
        registry::Provider provider, net::http::ClientRequest request);
    /// Null if providers are not chosen here.
    [[nodiscard]] Fleet* fleet() { return fleet_.get(); }
    [[nodiscard]] const std::string& pseudonym() const { return pseudonym_; }
    [[nodiscard]] Result<void> ready() const { return readiness_(); }
    [[nodiscard]] std::size_t active() const { return active_; }

    /// Takes a place among the requests at a time, until it is destroyed.
    class Place {
      public:
        explicit Place(ProxyState& owner) : owner_(&owner) { ++owner.active_; }
        Place(Place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
        Place& operator=(Place&&) = delete;
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            if (owner_ != nullptr) {
                --owner_->active_;
            }
        }

      private:
        ProxyState* owner_;
    };
    /// With the asking request's own place.
    [[nodiscard]] bool is_overfull() const { return active_ > settings_.max_concurrent; }

    /// Carries an upgraded connection until it ends, and keeps `places` so long.
    void relay(std::unique_ptr<net::Stream> client,
        std::unique_ptr<net::Stream> provider,
        std::vector<RequestLimiter::Place> places);
    /// Counts a request; status 0 if the client got none.
    void record(int status, std::chrono::steady_clock::duration took);

  private:
    async::Executor executor_;
    registry::ProviderSource& source_;
    ProxySettings settings_;
    Proxy::Readiness readiness_;
    net::http::Client client_;
    RequestLimiter limiter_;
    std::string pseudonym_;
    std::unique_ptr<Fleet> fleet_;
    async::TaskGroup tasks_;
    std::unordered_set<net::Relay*> relays_;
    std::size_t active_ = 0;
    /// By the status's first digit; 0 is "none".
    std::array<metrics::Counter*, 6> requests_{};
    metrics::Histogram& duration_;
};

}  // namespace decloud::gateway::internal
