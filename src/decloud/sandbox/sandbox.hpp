#pragma once

#include "runtime.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/metrics.hpp>

#include <boost/asio/thread_pool.hpp>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::sandbox {

namespace native {
class Host;
}

/// What the operator decides.
struct SandboxSettings {
    /// For compiled modules and unpacked packages; made if missing. Only this user may write it.
    std::filesystem::path cache_dir;
    /// The program whose main calls `worker_main` first.
    std::filesystem::path worker_executable = "/proc/self/exe";
    /// Authenticates compiled modules in `cache_dir`. Secret; kept between starts.
    std::array<std::uint8_t, 32> mac_key{};
    /// The runtimes that are offered, of those that there are.
    std::vector<std::string> runtimes{"wasm", "native", "server", "oci"};
    /// No manifest gets more than this.
    Limits maximum{.wall = std::chrono::minutes(15),
        .memory_bytes = kGiB,
        .pids = 1024,
        .cpu_millis = 64'000,
        .request_bytes = kGiB,
        .response_bytes = kGiB,
        .tmp_bytes = kGiB,
        .tmp_inodes = 65'536,
        .files = 1024};
    /// How long a native program may run; `maximum.wall` if that is shorter.
    std::chrono::milliseconds native_wall = std::chrono::seconds(15);
    std::uint64_t package_bytes = 256 * kMiB;
    std::uint64_t unpacked_bytes = kGiB;
    /// Most disk that `cache_dir` may use for compiled modules and for unpacked packages. The
    /// longest unused go first; what an artifact stands for stays, also beyond the limit.
    std::uint64_t compiled_cache_bytes = 4 * kGiB;
    std::uint64_t unpacked_cache_bytes = 4 * kGiB;
    /// Asked while a cache is over its limit and all of it is in use: lets go of an artifact that
    /// is kept only because it may be needed again, or returns false.
    std::function<bool()> release_unused;
    /// Told what a server that goes on writes to stderr, as it comes: the deployment's cid, and
    /// text that is valid for the call. May be empty.
    std::function<void(const std::string&, std::string_view)> server_errors;

    /// WASM worker processes (one owner each). Beyond it the longest idle one is replaced.
    std::size_t wasm_workers = 16;
    /// Runs at the same time in one WASM worker.
    std::uint32_t wasm_runs_per_worker = 64;
    std::chrono::seconds worker_idle{60};
    /// Processor time that compiling a WASM program may take; four times that on the clock.
    std::chrono::seconds compile_wall{120};
    std::uint64_t compile_memory_bytes = 2 * kGiB;

    /// Native runs at the same time, and calls that may wait for one of them to end.
    std::size_t native_runs = 64;
    std::size_t native_queue = 256;
    /// Sandboxes kept ready for the next native calls; made when calls pause or none is left.
    std::size_t native_spares = 4;

    /// Instances of servers at the same time, in all and of one deployment; beyond it the longest
    /// idle one is ended, and calls wait, so many of them at most.
    std::size_t servers = 16;
    std::size_t servers_per_deployment = 4;
    std::size_t server_queue = 256;
    /// Without a request for so long, an instance stands still until the next one. Zero: never.
    std::chrono::milliseconds server_freeze{2'000};
    /// How long a server may go on after SIGTERM.
    std::chrono::milliseconds server_end{2'000};
    /// First pause before a server that crashed is started again; doubles with each crash.
    std::chrono::milliseconds server_pause{100};

    /// Where servers are counted. Outlives the sandbox.
    metrics::Registry* metrics = &metrics::null_registry();

    /// Layers the operator accepts to be without, by name ("cgroup", "seccomp", "namespaces");
    /// a layer that is missing and not named here makes the runs fail with an error that says so.
    std::vector<std::string> accept_missing;
};

/// Runs untrusted programs. Owns the runtimes and through them every worker process. Single
/// threaded: made, used and destroyed on `executor`'s thread; `stop()` before destruction.
class Sandbox {
  public:
    /// Makes a runtime on the executor; settings and pool (for what blocks) outlive it.
    using Factory = std::function<std::unique_ptr<Runtime>(
        async::Executor, const SandboxSettings&, boost::asio::thread_pool&)>;

    /// With the runtimes of the settings. No process is started before it is
    /// needed. Has this process ignore SIGPIPE.
    Sandbox(async::Executor executor, SandboxSettings settings);
    ~Sandbox();
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    /// Adds a runtime, or puts one in place of another.
    void register_runtime(std::string name, const Factory& factory);
    /// Sets `SandboxSettings::release_unused`.
    void on_full_cache(std::function<bool()> release_unused) {
        settings_.release_unused = std::move(release_unused);
    }
    /// Sets `SandboxSettings::server_errors`.
    void on_server_errors(std::function<void(const std::string&, std::string_view)> heard) {
        settings_.server_errors = std::move(heard);
    }
    /// True if a runtime of that name is registered.
    [[nodiscard]] bool has_runtime(std::string_view name) const;

    /// The most that a program of this runtime gets.
    [[nodiscard]] Limits most(std::string_view runtime) const;
    /// not_found if there is no such runtime, limit_exceeded if the manifest wants more than the
    /// operator allows, invalid_input if it has a way out that the runtime cannot give.
    [[nodiscard]] Result<void> accepts(const Manifest& manifest) const;
    /// As `Runtime::prepare`, by `manifest.runtime`; also the errors of `accepts`.
    [[nodiscard]] async::Task<Result<std::shared_ptr<const Artifact>>> prepare(
        std::string program_key, std::string isolation_key, Bytes package_zip, Manifest manifest);
    /// As `Runtime::is_prepared`; false if there is no such runtime.
    [[nodiscard]] bool is_prepared(const std::string& program_key,
        const std::string& isolation_key,
        const Manifest& manifest) const;
    /// As `Runtime::invoke`. Limits above the operator's maximum are cut to it.
    [[nodiscard]] async::Task<Outcome> invoke(std::shared_ptr<const Artifact> artifact,
        Environment environment,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel);

    /// As `Runtime::answer`. Limits above the operator's maximum are cut to it.
    [[nodiscard]] async::Task<Outcome> answer(std::shared_ptr<const Artifact> artifact,
        CgiRequest request,
        Environment own,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel);

    /// Ends every worker and every run (as `killed`). Idempotent.
    [[nodiscard]] async::Task<void> stop();

  private:
    async::Executor executor_;
    SandboxSettings settings_;
    boost::asio::thread_pool pool_;
    std::shared_ptr<native::Host> host_;
    std::map<std::string, std::unique_ptr<Runtime>, std::less<>> runtimes_;
    bool stopped_ = false;
};

/// What keeps this machine from running native programs fully contained: one line for each missing
/// layer ("cgroup: …"), empty if all are there. "freezer: …" is no layer: idle servers then go on
/// running. Blocks for some milliseconds; for `doctor`.
[[nodiscard]] std::vector<std::string> missing_layers(
    const std::filesystem::path& worker_executable = "/proc/self/exe");

}  // namespace decloud::sandbox
