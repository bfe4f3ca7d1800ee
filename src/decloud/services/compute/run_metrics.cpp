#include "run_metrics.hpp"

#include <array>

namespace decloud::services {

namespace {

using End = sandbox::Outcome::End;

constexpr std::array kEnds{End::exited, End::trapped, End::timed_out, End::out_of_memory,
    End::limit, End::killed, End::sandbox_failed};

}  // namespace

RunMetrics::OfRuntime& RunMetrics::of(const std::string& runtime) {
    const auto [found, is_new] = runtimes_.try_emplace(runtime);
    if (is_new) {
        const metrics::Labels labels{{"runtime", runtime}};
        found->second.duration = &registry_.histogram("decloud_run_duration_seconds",
            "From a program's start, or its turn, to its end.", labels,
            {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                0.5, 1, 2.5, 5, 15});
        found->second.cpu_seconds = &registry_.counter("decloud_run_cpu_seconds_total",
            "Processor time of programs, where their runtime measures it.", labels);
        const auto bytes = [&](std::string_view direction) {
            return &registry_.counter("decloud_egress_bytes_total",
                "Bytes between programs and the hosts that they may reach.",
                {{"runtime", runtime}, {"direction", std::string(direction)}});
        };
        found->second.sent_bytes = bytes("sent");
        found->second.received_bytes = bytes("received");
        found->second.refused = &registry_.counter("decloud_egress_refused_total",
            "Requests of programs for hosts that they may not reach.", labels);
        // All at once: a rate sees the first of its kind, too.
        for (const auto end : kEnds) {
            found->second.ends[end] =
                &registry_.counter("decloud_runs_total", "Runs of programs by how they ended.",
                    {{"runtime", runtime}, {"end", std::string(to_string(end))}});
        }
    }
    return found->second;
}

void RunMetrics::record(const std::string& runtime,
    const sandbox::Outcome& outcome,
    std::chrono::steady_clock::duration took) {
    OfRuntime& numbers = of(runtime);
    numbers.duration->observe(std::chrono::duration<double>(took).count());
    numbers.cpu_seconds->add(std::chrono::duration<double>(outcome.cpu).count());
    if (outcome.egress) {
        numbers.sent_bytes->add(static_cast<double>(outcome.egress->sent_bytes));
        numbers.received_bytes->add(static_cast<double>(outcome.egress->received_bytes));
        numbers.refused->add(static_cast<double>(outcome.egress->refused));
    }
    numbers.ends.at(outcome.end)->increment();
}

}  // namespace decloud::services
