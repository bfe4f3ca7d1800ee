#pragma once

#include <decloud/base/metrics.hpp>
#include <decloud/sandbox/types.hpp>

#include <chrono>
#include <map>
#include <string>

namespace decloud::services {

/// Runs of programs by runtime and end, with their times. Single threaded; the registry outlives
/// it.
class RunMetrics {
  public:
    explicit RunMetrics(metrics::Registry& registry) : registry_(registry) {}
    RunMetrics(const RunMetrics&) = delete;
    RunMetrics& operator=(const RunMetrics&) = delete;

    /// Counts one run that has ended. `runtime` is the name of a registered one.
    void record(const std::string& runtime,
        const sandbox::Outcome& outcome,
        std::chrono::steady_clock::duration took);

  private:
    struct OfRuntime {
        metrics::Histogram* duration = nullptr;
        metrics::Counter* cpu_seconds = nullptr;
        metrics::Counter* sent_bytes = nullptr;
        metrics::Counter* received_bytes = nullptr;
        metrics::Counter* refused = nullptr;
        std::map<sandbox::Outcome::End, metrics::Counter*> ends;
    };

    [[nodiscard]] OfRuntime& of(const std::string& runtime);

    metrics::Registry& registry_;
    std::map<std::string, OfRuntime, std::less<>> runtimes_;
};

}  // namespace decloud::services
