#include "pool.hpp"

#include <decloud/base/log.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::sandbox::server {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kLongestPause{30};

Place refuse(Outcome::End end, std::string detail) {
    Place place;
    place.refusal.end = end;
    place.refusal.detail = std::move(detail);
    return place;
}

constexpr std::array<std::pair<Instance::State, std::string_view>, 3> kStates{
    {{Instance::State::busy, "busy"}, {Instance::State::idle, "idle"},
        {Instance::State::frozen, "frozen"}}};

}  // namespace

InstancePool::Metrics::Metrics(metrics::Registry& registry, std::string_view runtime) {
    const auto count = [&](std::string_view found) {
        return &registry.counter("decloud_server_calls_total",
            "Calls of servers by the instance that they found: a new one is a cold start.",
            {{"runtime", std::string(runtime)}, {"found", std::string(found)}});
    };
    calls_of_new = count("new");
    for (const auto& [state, name] : kStates) {
        calls[state] = count(name);
        instances[state] = &registry.gauge("decloud_servers", "Instances of servers by state.",
            {{"runtime", std::string(runtime)}, {"state", std::string(name)}});
    }
}

InstancePool::InstancePool(native::Host& host, std::string_view runtime)
    : host_(host), metrics_(*host.settings().metrics, runtime), tasks_(host.executor()) {}

async::Task<Place> InstancePool::enter(std::string key,
    std::shared_ptr<const ServerProgram> program,
    std::chrono::milliseconds limit,
    async::CancellationToken cancel) {
    const auto until = steady_clock::now() + limit;
    const auto turn = waiting_.emplace(waiting_.end(), host_.executor());
    struct Leave {
        std::list<async::Event>& list;
        std::list<async::Event>::iterator turn;
        ~Leave() { list.erase(turn); }
    };
    const Leave leave{.list = waiting_, .turn = turn};
    const auto registration = cancel.on_cancel([&turn] { turn->set(); });
    while (true) {
        const auto now = steady_clock::now();
        if (stopped_) {
            co_return refuse(Outcome::End::sandbox_failed, "the sandbox is stopping");
        }
        if (cancel.cancelled()) {
            co_return refuse(Outcome::End::killed, "cancelled");
        }
        forget_unused(now);
        Deployment& deployment = deployments_[key];
        auto instance = find_room(deployment);
        metrics::Counter* found = instance ? metrics_.calls[instance->state()] : nullptr;
        if (!instance && may_start(deployment, now)) {
            instance = start(key, program);
            found = metrics_.calls_of_new;
        }
        if (instance) {
            found->increment();
            instance->enter();
            on_change();
            co_return Place{.instance = std::move(instance), .refusal = {}};
        }
        const bool paused = deployment.not_before > now;
        if (paused && deployment.not_before >= until) {
            co_return refuse(Outcome::End::trapped,
                fmt::format("the server crashed {} times in a row, the last time so: {}",
                    deployment.crashes, deployment.crash));
        }
        if (now >= until || waiting_.size() > host_.settings().server_queue) {
            co_return refuse(
                Outcome::End::sandbox_failed, "overloaded: too many calls are waiting for servers");
        }
        turn->reset();
        static_cast<void>(
            co_await turn->wait((paused ? std::min(deployment.not_before, until) : until) - now));
    }
}

void InstancePool::leave(const std::string& key, Instance& instance, bool answered, bool retire) {
    if (const auto place = deployments_.find(key); answered && place != deployments_.end()) {
        place->second.crashes = 0;
    }
    instance.leave(retire);
}

async::Task<void> InstancePool::stop() {
    stopped_ = true;
    for (auto& [key, deployment] : deployments_) {
        for (const auto& instance : deployment.instances) {
            instance->stop();
        }
    }
    wake_all();
    co_await tasks_.join();
}

std::shared_ptr<Instance> InstancePool::find_room(const Deployment& deployment) const {
    std::shared_ptr<Instance> frozen;
    for (const auto& each : deployment.instances) {
        if (each->has_room() && each->state() != Instance::State::frozen) {
            return each;
        }
        frozen = each->has_room() ? each : frozen;
    }
    return frozen;
}

bool InstancePool::may_start(const Deployment& deployment, Time now) {
    if (deployment.not_before > now ||
        deployment.instances.size() >= host_.settings().servers_per_deployment) {
        return false;
    }
    if (running() < host_.settings().servers) {
        return true;
    }
    // Room comes when it has ended. Of many who wait, or are woken, nobody ends another one then.
    if (!one_is_leaving()) {
        end_idle_one();
    }
    return false;
}

bool InstancePool::one_is_leaving() const {
    return std::ranges::any_of(deployments_, [](const auto& item) {
        return std::ranges::any_of(
            item.second.instances, [](const auto& instance) { return instance->leaving(); });
    });
}

std::shared_ptr<Instance> InstancePool::start(
    const std::string& key, std::shared_ptr<const ServerProgram> program) {
    auto instance = std::make_shared<Instance>(host_, std::move(program), [this] { on_change(); });
    deployments_[key].instances.push_back(instance);
    tasks_.spawn(live(key, instance));
    return instance;
}

async::Task<void> InstancePool::live(std::string key, std::shared_ptr<Instance> instance) {
    co_await instance->live();
    on_end(key, instance);
}

void InstancePool::on_end(const std::string& key, const std::shared_ptr<Instance>& instance) {
    Deployment& deployment = deployments_[key];
    std::erase(deployment.instances, instance);
    if (instance->crashed()) {
        const Outcome& outcome = instance->outcome();
        const auto longest = std::chrono::milliseconds(kLongestPause);
        const auto pause = std::min(
            longest, host_.settings().server_pause * (1U << std::min(deployment.crashes, 16U)));
        ++deployment.crashes;
        deployment.not_before = steady_clock::now() + pause;
        deployment.crash = outcome.end == Outcome::End::exited
                               ? fmt::format("exit code {}", outcome.exit_code)
                               : fmt::format("{} {}", to_string(outcome.end), outcome.detail);
        log::debug("sandbox", "a server of {} crashed: {}", key, deployment.crash);
    }
    on_change();
}

bool InstancePool::end_idle_one() {
    std::shared_ptr<Instance> longest;
    for (const auto& [key, deployment] : deployments_) {
        for (const auto& instance : deployment.instances) {
            if (instance->idle() && (!longest || instance->idle_since() < longest->idle_since())) {
                longest = instance;
            }
        }
    }
    if (longest) {
        longest->stop();
    }
    return longest != nullptr;
}

std::size_t InstancePool::running() const {
    std::size_t count = 0;
    for (const auto& [key, deployment] : deployments_) {
        count += deployment.instances.size();
    }
    return count;
}

void InstancePool::forget_unused(Time now) {
    std::erase_if(deployments_, [now](const auto& item) {
        const Deployment& deployment = item.second;
        return deployment.instances.empty() && deployment.not_before + kLongestPause < now;
    });
}

void InstancePool::on_change() {
    std::map<Instance::State, std::size_t> counts;
    for (const auto& [key, deployment] : deployments_) {
        for (const auto& instance : deployment.instances) {
            ++counts[instance->state()];
        }
    }
    for (const auto& [state, gauge] : metrics_.instances) {
        gauge->set(static_cast<double>(counts[state]));
    }
    wake_all();
}

void InstancePool::wake_all() {
    for (async::Event& turn : waiting_) {
        turn.set();
    }
}

}  // namespace decloud::sandbox::server
