#pragma once

#include "instance.hpp"

#include <decloud/base/metrics.hpp>

#include <deque>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::sandbox::server {

/// A place in an instance, for one call.
struct Place {
    std::shared_ptr<Instance> instance;
    /// Why there is none; then `instance` is null.
    Outcome refusal;
};

/// The warm instances of all deployments: starts them as calls come, within the operator's limits,
/// and after a crash not before a pause that grows. Single threaded.
class InstancePool {
  public:
    /// `runtime` is its label in the metrics.
    InstancePool(native::Host& host, std::string_view runtime);

    /// Waits for room in an instance of the deployment `key`, at most `limit`. `program` is what is
    /// started if none has room; of the same key it is always the same.
    [[nodiscard]] async::Task<Place> enter(std::string key,
        std::shared_ptr<const ServerProgram> program,
        std::chrono::milliseconds limit,
        async::CancellationToken cancel);
    /// The call is over. `answered`: the server works.
    void leave(const std::string& key, Instance& instance, bool answered, bool retire);

    /// Ends every instance.
    [[nodiscard]] async::Task<void> stop();

  private:
    using Time = std::chrono::steady_clock::time_point;
    struct Deployment {
        std::vector<std::shared_ptr<Instance>> instances;
        /// Crashes in a row.
        std::uint32_t crashes = 0;
        /// It is not started before.
        Time not_before{};
        /// How the last one crashed.
        std::string crash;
    };

    [[nodiscard]] std::shared_ptr<Instance> find_room(const Deployment& deployment) const;
    [[nodiscard]] bool may_start(const Deployment& deployment, Time now);
    [[nodiscard]] std::shared_ptr<Instance> start(
        const std::string& key, std::shared_ptr<const ServerProgram> program);
    [[nodiscard]] async::Task<void> live(std::string key, std::shared_ptr<Instance> instance);
    void on_end(const std::string& key, const std::shared_ptr<Instance>& instance);
    /// The place of one becomes free by itself.
    [[nodiscard]] bool one_is_leaving() const;
    /// Ends the longest idle instance. False: all are busy.
    bool end_idle_one();
    [[nodiscard]] std::size_t running() const;
    void forget_unused(Time now);
    void wake_all();
    /// Something about an instance changed.
    void on_change();

    /// Instances by state, and calls by what they found.
    struct Metrics {
        Metrics(metrics::Registry& registry, std::string_view runtime);
        std::map<Instance::State, metrics::Gauge*> instances;
        metrics::Counter* calls_of_new = nullptr;
        std::map<Instance::State, metrics::Counter*> calls;
    };

    native::Host& host_;
    std::map<std::string, Deployment> deployments_;
    std::list<async::Event> waiting_;
    bool stopped_ = false;
    Metrics metrics_;
    async::TaskGroup tasks_;
};

}  // namespace decloud::sandbox::server
