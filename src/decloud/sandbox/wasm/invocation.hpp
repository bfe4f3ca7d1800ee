#pragma once

#include "../egress.hpp"
#include "../internal/pump.hpp"
#include "../runtime.hpp"
#include "worker.hpp"

#include <decloud/async/cancellation.hpp>

#include <memory>
#include <optional>
#include <string>

namespace decloud::sandbox::wasm {

/// One call of a WASM program, with what it takes in and gives out. Single threaded.
class Invocation {
  public:
    /// Nothing is started before `run`. `head`: as `RunRequest::head`. `egress` may be null.
    Invocation(async::Executor executor,
        std::string head,
        Environment environment,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        std::shared_ptr<Egress> egress,
        async::CancellationToken cancel)
        : executor_(std::move(executor)),
          head_(std::move(head)),
          environment_(std::move(environment)),
          body_(std::move(body)),
          sink_(std::move(sink)),
          limits_(limits),
          egress_(std::move(egress)),
          cancel_(std::move(cancel)) {}

    /// Runs it in `worker`. Nothing: the worker died of something else before anything came out;
    /// it may be tried again, once.
    [[nodiscard]] async::Task<std::optional<Outcome>> run(
        std::shared_ptr<WasmWorker> worker, std::uint32_t module);

  private:
    /// What the node does to a run while it is going on.
    enum class Verdict { none, killed, request_limit, response_limit };

    async::Task<void> send_body(
        std::shared_ptr<WasmWorker> worker, std::uint64_t id, internal::InputPipe pipe);
    /// When the run is over.
    async::Task<std::optional<Outcome>> end(PendingRun* run);
    /// Takes a connection of the program's to the proxy.
    void connect(internal::UniqueFd connection);
    async::Task<Outcome> deliver(RunResult result, const Bytes& output);
    Outcome judge(Outcome outcome) const;
    std::optional<Outcome> worker_died(const PendingRun& run);

    async::Executor executor_;
    std::string head_;
    Environment environment_;
    std::shared_ptr<BodySource> body_;
    std::shared_ptr<ResponseSink> sink_;
    Limits limits_;
    std::shared_ptr<Egress> egress_;
    /// Made when the program sends its first request.
    std::unique_ptr<EgressConnections> proxy_;
    async::CancellationToken cancel_;
    Verdict verdict_ = Verdict::none;
    bool ended_ = false;
    bool delivered_ = false;
    bool retried_ = false;
};

}  // namespace decloud::sandbox::wasm
