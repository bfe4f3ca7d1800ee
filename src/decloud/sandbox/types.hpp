#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace decloud::sandbox {

/// What one run may use at most.
struct Limits {
    std::chrono::milliseconds wall{15'000};
    std::uint64_t memory_bytes = 128 * kMiB;
    /// Processes and threads. Native only.
    std::uint32_t pids = 64;
    /// Share of processors in thousandths: 1000 is one whole processor. Native only.
    std::uint32_t cpu_millis = 1000;
    std::uint64_t request_bytes = 10 * kMiB;
    std::uint64_t response_bytes = 10 * kMiB;
    /// How much of the end of stderr is kept. More is read and forgotten.
    std::uint64_t stderr_bytes = 64 * kKiB;
    /// Size and number of files of the private /tmp. Native only.
    std::uint64_t tmp_bytes = 64 * kMiB;
    std::uint32_t tmp_inodes = 4096;
    /// Open files. Native only.
    std::uint32_t files = 64;

    friend bool operator==(const Limits&, const Limits&) = default;
};

class Egress;

/// How a package is run.
struct Manifest {
    /// Name of a registered runtime: "wasm", "native", "server", "oci", "verifier".
    std::string runtime;
    /// Path of the program inside the package, without a leading slash.
    std::string entry;
    Limits limits;
    /// It is a server, also where the runtime has other programs too.
    bool serves = false;
    /// Requests that one instance of a server takes at the same time.
    std::uint32_t concurrency = 1;
    /// Without a request for so long, an instance of a server is ended.
    std::chrono::milliseconds idle{60'000};
    /// Its way to other machines; null: it has none.
    std::shared_ptr<Egress> egress{};
};

/// CGI variables and the deployment's own environment, complete and in order. Nothing is added.
using Environment = std::vector<std::pair<std::string, std::string>>;

/// The request's body. Used on the sandbox's executor, by one reader.
class BodySource {
  public:
    virtual ~BodySource() = default;
    /// The whole body if it is in memory already, else null. Lives as long as the source. The fast
    /// path: `read` is then not called.
    [[nodiscard]] virtual const Bytes* whole() const { return nullptr; }
    /// Fills the front of `target` and returns how many bytes; 0 is the end. `target` stays valid
    /// until the task ends. An error ends the run as if it had been cancelled. Cancelled (in Asio's
    /// sense) when the program ends first; must then end soon, by an error or operation_aborted.
    [[nodiscard]] virtual async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) = 0;
};

/// A body in memory.
class MemoryBody final : public BodySource {
  public:
    /// `body` is all of it.
    explicit MemoryBody(Bytes body) : body_(std::move(body)) {}
    [[nodiscard]] const Bytes* whole() const override { return &body_; }
    [[nodiscard]] async::Task<Result<std::size_t>> read(std::span<std::uint8_t> target) override;

  private:
    Bytes body_;
    std::size_t position_ = 0;
};

/// What passed through a run's way out.
struct EgressUse {
    /// Requests and tunnels that were let through, and those that were not.
    std::uint64_t requests = 0;
    std::uint64_t refused = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t received_bytes = 0;
    friend bool operator==(const EgressUse&, const EgressUse&) = default;
};

/// How a run ended.
struct Outcome {
    /// Why the run is over; decides who is to blame and so who pays.
    enum class End {
        /// The program ended by itself, see `exit_code`.
        exited,
        /// A trap (WASM) or a deadly signal (native).
        trapped,
        timed_out,
        out_of_memory,
        /// Request or response size, or another limit named in `detail`.
        limit,
        /// By cancellation, or because the body source or the sink failed.
        killed,
        /// The provider's own failure: the program is not to blame. Never charged.
        sandbox_failed,
    };

    End end = End::sandbox_failed;
    /// Of `exited`. A native program that died of signal N has `trapped` and 128 + N.
    int exit_code = 0;
    /// One line that says what happened, for the owner and the operator. No secret.
    std::string detail;
    std::chrono::microseconds cpu{0};
    std::uint64_t peak_bytes = 0;
    std::uint64_t stdout_bytes = 0;
    std::string stderr_tail;
    /// Of a program with a way out. Of a server: what passed since its last answer.
    std::optional<EgressUse> egress{};

    /// True if the program is not to blame.
    [[nodiscard]] bool provider_fault() const { return end == End::sandbox_failed; }
    /// True if the program ended by itself with exit code 0.
    [[nodiscard]] bool succeeded() const { return end == End::exited && exit_code == 0; }
};

/// Takes what the program writes to stdout: raw bytes, in order (see cgi.hpp for their meaning).
class ResponseSink {
  public:
    virtual ~ResponseSink() = default;
    /// The fast path: called at most once, and then `write` never, when the program has ended in
    /// `outcome` and `output` is all it wrote. False: not wanted, `write` gets it.
    [[nodiscard]] virtual bool take_whole(BytesView output, const Outcome& outcome) {
        static_cast<void>(output);
        static_cast<void>(outcome);
        return false;
    }
    /// `data` is valid until the task ends; not ending it is how the sink pushes back. An error
    /// (the client has gone) kills the program.
    [[nodiscard]] virtual async::Task<Result<void>> write(BytesView data) = 0;
};

/// "exited", "timed_out", …
[[nodiscard]] std::string_view to_string(Outcome::End end);

/// A run that did not start or broke down through no fault of the program.
[[nodiscard]] Outcome sandbox_failure(std::string detail);

}  // namespace decloud::sandbox
