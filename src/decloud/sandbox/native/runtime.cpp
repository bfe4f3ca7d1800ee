#include "runtime.hpp"

#include "../internal/gate.hpp"
#include "../internal/process.hpp"
#include "../internal/pump.hpp"
#include "launcher_client.hpp"
#include "program.hpp"
#include "way_out.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/log.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>

namespace decloud::sandbox::native {

using internal::UniqueFd;

namespace {

/// What one message can carry besides the environment is small.
constexpr std::size_t kMaximumEnvironment = 128 * 1024;
/// A body that fits into an empty pipe.
constexpr std::size_t kPipeBytes = 64 * 1024;
/// How long the launcher may be late before it counts as dead.
constexpr std::chrono::seconds kGrace{5};

/// The program's ends of its standard descriptors, and ours.
struct Streams {
    std::vector<UniqueFd> theirs;
    /// Where the node writes a body that streams.
    UniqueFd input;
    UniqueFd output;
    UniqueFd errors;
};

Result<UniqueFd> open_input(Streams& streams, const Bytes* whole) {
    if (whole != nullptr && whole->empty()) {
        UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!nothing) {
            return fail(errno_error("/dev/null"));
        }
        return nothing;
    }
    if (whole != nullptr && whole->size() > kPipeBytes) {
        return internal::make_sealed_memory(*whole);
    }
    TRY(auto pipe, internal::make_pipe());
    if (whole != nullptr) {
        TRY_VOID(internal::write_all(pipe.writer.get(), *whole));
    } else {
        TRY_VOID(internal::set_nonblocking(pipe.writer.get(), true));
        streams.input = std::move(pipe.writer);
    }
    return std::move(pipe.reader);
}

/// A pipe whose writing end goes to the program; ours does not block.
Result<UniqueFd> open_output(Streams& streams) {
    TRY(auto pipe, internal::make_pipe());
    TRY_VOID(internal::set_nonblocking(pipe.reader.get(), true));
    streams.theirs.push_back(std::move(pipe.writer));
    return std::move(pipe.reader);
}

Result<Streams> open_streams(const Bytes* whole) {
    Streams streams;
    TRY(UniqueFd input, open_input(streams, whole));
    streams.theirs.push_back(std::move(input));
    TRY(streams.output, open_output(streams));
    TRY(streams.errors, open_output(streams));
    return streams;
}

Outcome ended_by(Outcome::End end, std::string detail) {
    Outcome outcome;
    outcome.end = end;
    outcome.detail = std::move(detail);
    return outcome;
}

std::size_t size_of(const Environment& environment) {
    std::size_t size = 0;
    for (const auto& [name, value] : environment) {
        size += name.size() + value.size() + 2;
    }
    return size;
}

/// One call of a native program.
class Invocation {
  public:
    Invocation(async::Executor executor,
        std::shared_ptr<LauncherClient> launcher,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        std::shared_ptr<Egress> egress,
        async::CancellationToken cancel)
        : executor_(std::move(executor)),
          launcher_(std::move(launcher)),
          body_(std::move(body)),
          sink_(std::move(sink)),
          limits_(limits),
          cancel_(std::move(cancel)),
          run_(executor_),
          way_out_(executor_, std::move(egress)),
          input_(executor_),
          stderr_(executor_) {}

    async::Task<Outcome> run(const ProgramStart& start, Environment environment) {
        const Bytes* whole = body_->whole();
        auto streams = open_streams(whole);
        if (streams && way_out_.exists()) {
            if (auto channel = way_out_.open()) {
                streams->theirs.push_back(std::move(*channel));
            } else {
                streams = fail(std::move(channel.error()));
            }
        }
        if (!streams) {
            co_return sandbox_failure(streams.error().message());
        }
        id_ = launcher_->next_id();
        const auto registration =
            cancel_.on_cancel([this] { end(Outcome::End::killed, "cancelled"); });
        launcher_->start(run_, id_,
            encode_run(id_, start, environment, limits_,
                way_out_.exists() ? Network::way_out : Network::none),
            std::move(streams->theirs));
        if (streams->input) {
            input_pipe_ = std::make_shared<boost::asio::posix::stream_descriptor>(
                executor_, streams->input.release());
            input_.spawn(send_body());
        }
        stderr_.spawn(internal::keep_tail(
            std::move(streams->errors), &errors_, static_cast<std::size_t>(limits_.stderr_bytes)));
        const auto got =
            co_await internal::pump_out(std::move(streams->output), sink_, limits_.response_bytes);
        if (!got && got.error() == make_error_code(CommonError::limit_exceeded)) {
            end(Outcome::End::limit, got.error().detail());
        } else if (!got) {
            end(Outcome::End::killed, "the answer could not be delivered");
        }
        co_await wait_for_end();
        co_await way_out_.stop();
        input_cancelled_ = true;
        input_.cancel();
        co_await input_.join();
        // Everything that held the pipes is dead: the end of stderr is there.
        co_await stderr_.join();
        co_return judge(got.value_or(0));
    }

  private:
    /// Ends the run for a reason that the launcher does not know.
    void end(Outcome::End reason, std::string detail) {
        if (!reason_) {
            reason_ = reason;
            reason_detail_ = std::move(detail);
            launcher_->kill_run(id_);
        }
    }

    async::Task<void> send_body() {
        const auto sent = co_await internal::pump_in(body_, input_pipe_, limits_.request_bytes);
        if (!sent && !input_cancelled_) {
            const bool large = sent.error() == make_error_code(CommonError::limit_exceeded);
            end(large ? Outcome::End::limit : Outcome::End::killed, sent.error().detail());
        }
    }

    async::Task<void> wait_for_end() {
        const auto waited = co_await run_.done.wait(limits_.wall + kGrace);
        if (!waited) {
            log::error("sandbox", "the launcher does not answer: killed");
            launcher_->kill();
            static_cast<void>(co_await run_.done.wait(kGrace));
        }
    }

    Outcome judge(std::uint64_t stdout_bytes) {
        Outcome outcome;
        if (run_.result) {
            const RunDone& done = *run_.result;
            outcome.end = done.end;
            outcome.exit_code = done.exit_code;
            outcome.detail = done.detail;
            outcome.cpu = std::chrono::microseconds(
                std::min<std::uint64_t>(done.cpu_us, std::uint64_t{1} << 50));
            outcome.peak_bytes = done.peak_bytes;
        } else {
            outcome = sandbox_failure("the launcher died");
        }
        if (reason_ && outcome.end != Outcome::End::timed_out) {
            outcome.end = *reason_;
            outcome.detail = reason_detail_;
        }
        outcome.stdout_bytes = stdout_bytes;
        outcome.stderr_tail = std::move(errors_);
        outcome.egress = way_out_.take_use();
        return outcome;
    }

    async::Executor executor_;
    std::shared_ptr<LauncherClient> launcher_;
    std::shared_ptr<BodySource> body_;
    std::shared_ptr<ResponseSink> sink_;
    Limits limits_;
    async::CancellationToken cancel_;
    std::uint64_t id_ = 0;
    PendingRun run_;
    WayOut way_out_;
    std::string errors_;
    std::optional<Outcome::End> reason_;
    std::string reason_detail_;
    bool input_cancelled_ = false;
    internal::InputPipe input_pipe_;
    async::TaskGroup input_;
    async::TaskGroup stderr_;
};

class NativeRuntime final : public Runtime {
  public:
    explicit NativeRuntime(std::shared_ptr<Host> host)
        : host_(std::move(host)),
          gate_(host_->executor(), host_->settings().native_runs, host_->settings().native_queue) {}

    async::Task<Result<std::shared_ptr<const Artifact>>> prepare(
        std::string program_key, std::string owner, Bytes package_zip, Manifest manifest) override {
        CO_TRY(auto package,
            co_await host_->packages().unpack(program_key, manifest.entry, std::move(package_zip)));
        ProgramStart start = start_of_package(package.path, manifest.entry);
        co_return std::make_shared<const ProgramArtifact>(std::move(program_key), std::move(owner),
            std::move(manifest), std::move(start), Environment{}, std::move(package.use));
    }
    bool is_prepared(const std::string& program_key,
        const std::string&,
        const Manifest& manifest) const override {
        return host_->packages().contains(program_key, manifest.entry);
    }
    async::Task<Outcome> invoke(std::shared_ptr<const Artifact> artifact,
        Environment environment,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) override;
    async::Task<void> stop() override;

  private:
    std::shared_ptr<Host> host_;
    internal::Gate gate_;
};

async::Task<Outcome> NativeRuntime::invoke(std::shared_ptr<const Artifact> artifact,
    Environment environment,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    const auto program = std::dynamic_pointer_cast<const ProgramArtifact>(artifact);
    if (!program) {
        co_return sandbox_failure("not a native program");
    }
    const Bytes* whole = body->whole();
    if (whole != nullptr && whole->size() > limits.request_bytes) {
        co_return ended_by(Outcome::End::limit, "the request is larger than allowed");
    }
    const std::shared_ptr<Egress>& egress = program->manifest().egress;
    if (egress) {
        environment = with_proxy(std::move(environment));
    }
    environment = program->with_own(std::move(environment));
    if (size_of(environment) > kMaximumEnvironment) {
        co_return ended_by(Outcome::End::limit, "the request's headers are larger than allowed");
    }
    if (!gate_.try_enter() && !co_await gate_.enter(program->owner())) {
        co_return sandbox_failure("overloaded: too many native programs are waiting");
    }
    Outcome outcome;
    auto launcher = co_await host_->launcher();
    if (!launcher) {
        outcome = sandbox_failure(launcher.error().message());
    } else if (cancel.cancelled()) {
        outcome = ended_by(Outcome::End::killed, "cancelled");
    } else {
        Invocation invocation(host_->executor(), std::move(*launcher), std::move(body),
            std::move(sink), limits, egress, std::move(cancel));
        outcome = co_await invocation.run(program->start(), std::move(environment));
    }
    gate_.leave();
    co_return outcome;
}

async::Task<void> NativeRuntime::stop() {
    // The host ends the runs.
    gate_.close();
    co_return;
}

}  // namespace

std::unique_ptr<Runtime> make_native_runtime(std::shared_ptr<Host> host) {
    return std::make_unique<NativeRuntime>(std::move(host));
}

}  // namespace decloud::sandbox::native

namespace decloud::sandbox {

std::vector<std::string> missing_layers(const std::filesystem::path& worker_executable) {
    auto process = internal::WorkerProcess::start(worker_executable, {"launch", "", "0"});
    if (!process) {
        return {process.error().message()};
    }
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(process->socket().get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    Bytes buffer(internal::kMaximumMessage);
    std::vector<std::string> missing{"the launcher does not answer"};
    if (const auto message = internal::receive_message(process->socket().get(), buffer, 0)) {
        if (const auto report = native::parse_ready(message->data)) {
            missing = report->missing;
            if (!report->no_freezer.empty()) {
                missing.push_back("freezer: " + report->no_freezer);
            }
        }
    }
    // With its socket closed it tidies up and ends by itself.
    process->socket().reset();
    process->reap();
    return missing;
}

}  // namespace decloud::sandbox
