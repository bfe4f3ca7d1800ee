#include "invocation.hpp"

#include "../internal/pump.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/log.hpp>

#include <fcntl.h>

#include <algorithm>

namespace decloud::sandbox::wasm {

using internal::UniqueFd;

namespace {

/// Heads and environments must leave room for the body in one message.
constexpr std::size_t kMaximumEnvironment = 80 * 1024;

std::size_t size_of(const Environment& environment) {
    std::size_t size = 0;
    for (const auto& [name, value] : environment) {
        size += name.size() + value.size() + 2;
    }
    return size;
}

Outcome limit_reached(std::string detail) {
    Outcome outcome;
    outcome.end = Outcome::End::limit;
    outcome.detail = std::move(detail);
    return outcome;
}

Outcome killed() {
    Outcome outcome;
    outcome.end = Outcome::End::killed;
    outcome.detail = "cancelled";
    return outcome;
}

RunRequest run_request(std::uint64_t id, std::uint32_t module, const Limits& limits) {
    return {.id = id,
        .module = module,
        .wall_ms = static_cast<std::uint32_t>(limits.wall.count()),
        .memory_bytes = limits.memory_bytes,
        .response_bytes = limits.response_bytes,
        .stderr_bytes =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.stderr_bytes, kInlineOutput)),
        .head = {},
        .environment = {},
        .body = {}};
}

/// How a request's body gets to the worker.
struct Input {
    UniqueFd fd;
    /// Where the node writes a body that streams.
    UniqueFd writer;
};

Result<Input> prepare_input(RunRequest& request, const Bytes* whole) {
    Input input;
    if (whole == nullptr) {
        TRY(auto pipe, internal::make_pipe(O_NONBLOCK));
        request.input = InputKind::pipe;
        input.fd = std::move(pipe.reader);
        input.writer = std::move(pipe.writer);
    } else if (whole->size() > kInlineBody) {
        TRY(input.fd, internal::make_sealed_memory(*whole));
        request.input = InputKind::memory;
    } else {
        request.body = *whole;
    }
    return input;
}

}  // namespace

async::Task<void> Invocation::send_body(
    std::shared_ptr<WasmWorker> worker, std::uint64_t id, internal::InputPipe pipe) {
    const auto sent = co_await internal::pump_in(body_, std::move(pipe), limits_.request_bytes);
    // An error after the end is only the pump being stopped.
    if (!sent && !ended_ && verdict_ == Verdict::none) {
        verdict_ = sent.error() == make_error_code(CommonError::limit_exceeded)
                       ? Verdict::request_limit
                       : Verdict::killed;
        worker->cancel(id);
    }
}

async::Task<std::optional<Outcome>> Invocation::run(
    std::shared_ptr<WasmWorker> worker, std::uint32_t module) {
    const Bytes* whole = body_->whole();
    if (whole != nullptr && whole->size() > limits_.request_bytes) {
        co_return limit_reached("the request is larger than allowed");
    }
    if (head_.size() + size_of(environment_) > kMaximumEnvironment) {
        co_return limit_reached("the request's headers are larger than allowed");
    }
    if (cancel_.cancelled()) {
        co_return killed();
    }
    RunRequest request = run_request(worker->next_id(), module, limits_);
    request.head = as_bytes(head_);
    const std::uint64_t id = request.id;
    auto input = prepare_input(request, whole);
    if (!input) {
        co_return sandbox_failure(input.error().message());
    }
    const auto registration = cancel_.on_cancel([this, &worker, id] {
        verdict_ = Verdict::killed;
        worker->cancel(id);
    });
    PendingRun run(executor_);
    if (egress_) {
        request.has_way_out = true;
        run.connect = [this](UniqueFd connection) { connect(std::move(connection)); };
    }
    worker->start(run, request, environment_, std::move(input->fd));
    std::optional<async::TaskGroup> pumps;
    internal::InputPipe pipe;
    if (input->writer) {
        pumps.emplace(executor_);
        pipe = std::make_shared<boost::asio::posix::stream_descriptor>(
            executor_, input->writer.release());
        pumps->spawn(send_body(worker, id, pipe));
    }
    co_await run.started.wait();
    if (run.stream) {
        delivered_ = true;
        const auto got =
            co_await internal::pump_out(std::move(run.stream), sink_, limits_.response_bytes);
        if (!got && verdict_ == Verdict::none) {
            verdict_ = got.error() == make_error_code(CommonError::limit_exceeded)
                           ? Verdict::response_limit
                           : Verdict::killed;
            worker->cancel(id);
        }
        co_await run.done.wait();
    }
    ended_ = true;
    if (pumps) {
        pumps->cancel();
        co_await pumps->join();
    }
    co_return co_await end(&run);
}

async::Task<std::optional<Outcome>> Invocation::end(PendingRun* run) {
    if (proxy_) {
        co_await proxy_->stop();
    }
    std::optional<Outcome> outcome =
        run->result ? co_await deliver(std::move(*run->result), run->output) : worker_died(*run);
    if (outcome && egress_) {
        outcome->egress = proxy_ ? proxy_->use() : EgressUse{};
    }
    co_return outcome;
}

void Invocation::connect(UniqueFd connection) {
    if (!proxy_) {
        proxy_ = egress_->open();
    }
    proxy_->add(connection.release());
}

async::Task<Outcome> Invocation::deliver(RunResult result, const Bytes& output) {
    Outcome outcome = judge(std::move(result.outcome));
    if (!result.streamed && !output.empty() && !sink_->take_whole(output, outcome)) {
        const auto written = co_await sink_->write(output);
        if (!written && outcome.succeeded()) {
            outcome.end = Outcome::End::killed;
            outcome.detail = "the answer could not be delivered";
        }
    }
    co_return outcome;
}

Outcome Invocation::judge(Outcome outcome) const {
    switch (verdict_) {
        case Verdict::none:
            break;
        case Verdict::killed:
            outcome.end = Outcome::End::killed;
            outcome.detail = "cancelled";
            break;
        case Verdict::request_limit:
            outcome.end = Outcome::End::limit;
            outcome.detail = "the request is larger than allowed";
            break;
        case Verdict::response_limit:
            outcome.end = Outcome::End::limit;
            outcome.detail = "the answer is larger than allowed";
            break;
    }
    return outcome;
}

std::optional<Outcome> Invocation::worker_died(const PendingRun& run) {
    if (verdict_ != Verdict::none) {
        return judge({});
    }
    if (run.overstayed) {
        Outcome outcome;
        outcome.end = Outcome::End::timed_out;
        outcome.detail = "did not stop at its time limit and was killed";
        outcome.cpu = limits_.wall;
        return outcome;
    }
    if (!retried_ && !delivered_ && !proxy_ && body_->whole() != nullptr) {
        retried_ = true;
        return std::nullopt;
    }
    return sandbox_failure("the WASM worker died");
}

}  // namespace decloud::sandbox::wasm
