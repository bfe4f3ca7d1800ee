#include "process_gauges.hpp"

#include <decloud/base/version.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace decloud::node {

namespace {

/// With the workers that have ended; those that run are processes of their own.
double cpu_seconds_used() {
    rusage used{};
    if (getrusage(RUSAGE_SELF, &used) != 0) {
        return 0;
    }
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::optional<double> resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    if (!(file >> size >> resident)) {
        return std::nullopt;
    }
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> open_files() {
    std::error_code error;
    std::filesystem::directory_iterator entries("/proc/self/fd", error);
    if (error) {
        return std::nullopt;
    }
    // One of them is the listing's own.
    return static_cast<double>(std::distance(begin(entries), end(entries)) - 1);
}

double seconds_since_1970() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace

ProcessGauges::ProcessGauges(
    metrics::Registry& registry, std::function<chain::ChainStatus()> chain_status)
    : chain_status_(std::move(chain_status)),
      cpu_seconds_(registry.counter("process_cpu_seconds_total",
          "Processor time of this process, in user and system mode.",
          {})),
      resident_bytes_(registry.gauge(
          "process_resident_memory_bytes", "Memory of this process that is resident.", {})),
      open_files_(
          registry.gauge("process_open_fds", "File descriptors that this process has open.", {})),
      chain_ready_(registry.gauge(
          "decloud_chain_ready", "1 if the chain is followed, 0 if /readyz says why not.", {})),
      chain_head_(registry.gauge("decloud_chain_head_block", "The newest block seen.", {})),
      chain_finalized_(registry.gauge(
          "decloud_chain_final_block", "The newest block at the finality depth.", {})),
      chain_head_age_(registry.gauge(
          "decloud_chain_head_age_seconds", "How long ago the newest block was made.", {})) {
    registry
        .gauge("process_start_time_seconds", "When this process started, since 1970 in UTC.", {})
        .set(seconds_since_1970());
    registry
        .gauge("decloud_build_info", "1; the label names the version.",
            {{"version", std::string(version())}})
        .set(1);
}

void ProcessGauges::set() {
    const double used = cpu_seconds_used();
    if (used > counted_cpu_seconds_) {
        cpu_seconds_.add(used - counted_cpu_seconds_);
        counted_cpu_seconds_ = used;
    }
    if (const auto bytes = resident_bytes()) {
        resident_bytes_.set(*bytes);
    }
    if (const auto files = open_files()) {
        open_files_.set(*files);
    }
    const chain::ChainStatus status = chain_status_();
    chain_ready_.set(status.ready ? 1 : 0);
    chain_head_.set(static_cast<double>(status.head));
    chain_finalized_.set(static_cast<double>(status.finalized));
    chain_head_age_.set(static_cast<double>(status.head_age.count()));
}

}  // namespace decloud::node
