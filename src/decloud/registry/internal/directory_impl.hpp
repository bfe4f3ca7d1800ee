#pragma once

#include "../provider_directory.hpp"
#include "name_cache.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::registry {

class ProviderDirectory::Impl {
  public:
    Impl(async::Executor executor,
        chain::EthereumClient& client,
        chain::HeadFollower& head,
        Address registry,
        ProviderDirectorySettings settings);

    [[nodiscard]] async::Task<Result<Provider>> find(identity::ProviderName name);
    [[nodiscard]] async::Task<void> run();
    [[nodiscard]] async::Task<void> stop();
    [[nodiscard]] std::uint64_t lookups() const { return lookups_; }
    [[nodiscard]] std::size_t size() const { return known_.size(); }

  private:
    using TimePoint = std::chrono::steady_clock::time_point;

    struct Known {
        Provider provider;
        Address resolver;
        TimePoint refresh_at;
    };
    struct Refused {
        Error error;
        TimePoint until;
    };
    /// A question to the chain that any number of callers wait for.
    struct Lookup {
        explicit Lookup(const async::Executor& executor) : done(executor) {}
        async::Event done;
        std::optional<Result<Provider>> result;
    };
    struct Resolved {
        Provider provider;
        Address resolver;
    };

    [[nodiscard]] bool is_followed() const;
    [[nodiscard]] std::optional<Result<Provider>> cached(const identity::ProviderName& name);
    [[nodiscard]] Result<std::shared_ptr<Lookup>> join_lookup(const identity::ProviderName& name);
    [[nodiscard]] async::Task<void> look_up(
        identity::ProviderName name, std::shared_ptr<Lookup> lookup);
    [[nodiscard]] async::Task<Result<chain::ProviderRecord>> ask(identity::ProviderName name);
    void keep(const identity::ProviderName& name,
        const Result<Provider>& result,
        const Address& resolver,
        std::optional<std::uint64_t> asked_at);

    [[nodiscard]] async::Task<void> follow();
    [[nodiscard]] async::Task<Result<void>> check_events(std::uint64_t head);
    [[nodiscard]] chain::LogFilter event_filter(std::uint64_t from, std::uint64_t to) const;
    void forget_changed(const std::vector<chain::Log>& logs);
    void forget_all();

    async::Executor executor_;
    chain::EthereumClient& client_;
    chain::HeadFollower& head_;
    chain::RegistryView view_;
    ProviderDirectorySettings settings_;
    internal::NameCache<Known> known_;
    internal::NameCache<Refused> refused_;
    std::map<std::string, std::shared_ptr<Lookup>, std::less<>> running_;
    async::TaskGroup tasks_;
    async::Event head_moved_;
    chain::HeadFollower::Subscription on_head_;
    chain::HeadFollower::Subscription on_reorganisation_;
    /// The last block whose events have been looked at.
    std::optional<std::uint64_t> checked_;
    /// Something cached was asked for when this was the next block, so its events are still due.
    std::optional<std::uint64_t> due_from_;
    /// When all that is cached was last known to be up to date.
    std::optional<TimePoint> verified_at_;
    /// Changes when the cache is cleared: a lookup that began before is not kept.
    std::uint64_t generation_ = 0;
    std::uint64_t lookups_ = 0;
    bool events_failing_ = false;
    bool stopped_ = false;
};

}  // namespace decloud::registry
