#include "run_worker.hpp"

#include "../internal/fd.hpp"
#include "../internal/one_shot.hpp"
#include "component.hpp"
#include "engine.hpp"
#include "protocol.hpp"
#include "runner.hpp"
#include "thread_crew.hpp"
#include "verifier.hpp"
#include "wasi.hpp"

#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <variant>

namespace decloud::sandbox::wasm {

using internal::Message;
using internal::WireReader;
using internal::WireWriter;

namespace {

/// What Wasmtime says of a module that is larger than the engine's settings allow; it has no code
/// for that.
constexpr std::string_view kTooLarge = "does not fit in pooling allocator requirements";

/// The worker's programs and runs. Used by all threads of the crew.
class RunWorker {
  public:
    RunWorker(int socket, std::uint32_t runs)
        : socket_(socket),
          slots_(runs),
          engine_(make_engine(runs)),
          linker_(wasmtime_linker_new(engine_.get())) {}

    Result<void> prepare() { return define_wasi(*linker_); }

    void tick() {
        wasmtime_engine_increment_epoch(engine_.get());
        if (const auto* components = components_.load(std::memory_order_acquire)) {
            components->tick();
        }
        if (auto* verifiers = verifiers_.load(std::memory_order_acquire)) {
            wasmtime_engine_increment_epoch(verifiers);
        }
    }

    /// One message from the node.
    bool serve(ThreadCrew& crew) {
        thread_local Bytes buffer(internal::kMaximumMessage);
        auto message = internal::receive_message(socket_, buffer, 0);
        if (!message || message->data.empty()) {
            return false;
        }
        switch (static_cast<MessageKind>(message->data.front())) {
            case MessageKind::run:
                crew.begin_job();
                run(std::move(*message));
                crew.end_job();
                return true;
            case MessageKind::load:
                load(std::move(*message));
                return true;
            case MessageKind::unload:
                unload(message->data);
                return true;
            case MessageKind::cancel:
                cancel(message->data);
                return true;
            case MessageKind::ready:
            case MessageKind::loaded:
            case MessageKind::stream:
            case MessageKind::done:
            case MessageKind::connect:
                break;
        }
        return false;
    }

    void say(const Bytes& message) const {
        static_cast<void>(internal::send_message(socket_, message, {}, 0));
    }

  private:
    using Loaded = std::variant<Program, Component, VerifierProgram>;

    void load(Message message) {
        WireReader reader(message.data.subspan(1));
        const auto number = reader.get<std::uint32_t>();
        auto program = read_program(reader.get<ProgramKind>(), message);
        const bool at_fault =
            !program && (program.error() == make_error_code(CommonError::limit_exceeded) ||
                            program.error() == make_error_code(CommonError::invalid_input));
        WireWriter reply;
        reply.put(MessageKind::loaded);
        reply.put(number);
        reply.put(std::uint8_t{at_fault});
        reply.put_text(program ? "" : program.error().message());
        if (program) {
            const std::lock_guard lock(mutex_);
            programs_[number] = std::make_shared<const Loaded>(std::move(*program));
        }
        say(reply.bytes());
    }

    Result<Loaded> read_program(ProgramKind kind, const Message& message) {
        if (message.fds.size() != 1) {
            return fail(CommonError::internal, "no code came");
        }
        TRY(const auto code, internal::MappedFile::open(message.fds[0].get()));
        switch (kind) {
            case ProgramKind::command: {
                TRY(auto module, read_module(*engine_, code));
                TRY(Program program, Program::make(*linker_, std::move(module)));
                return Loaded(std::move(program));
            }
            case ProgramKind::component: {
                TRY(const ComponentEngine* const engine, component_engine());
                TRY(Component component, engine->load(code.view()));
                return Loaded(std::move(component));
            }
            case ProgramKind::verifier: {
                wasm_engine_t& engine = verifier_engine();
                TRY(auto module, read_module(engine, code));
                TRY(VerifierProgram verifier, VerifierProgram::make(engine, std::move(module)));
                return Loaded(std::move(verifier));
            }
        }
        return fail(CommonError::internal, "an unknown kind of program");
    }

    /// Made when the first component comes: most owners have none.
    Result<const ComponentEngine*> component_engine() {
        const std::lock_guard lock(engine_mutex_);
        if (!component_engine_) {
            TRY(ComponentEngine made, ComponentEngine::make(slots_));
            component_engine_ = std::make_unique<const ComponentEngine>(std::move(made));
            components_.store(component_engine_.get(), std::memory_order_release);
        }
        return component_engine_.get();
    }

    /// Made when the first verifier comes.
    wasm_engine_t& verifier_engine() {
        const std::lock_guard lock(engine_mutex_);
        if (!verifier_engine_) {
            verifier_engine_ = make_verifier_engine(slots_);
            verifiers_.store(verifier_engine_.get(), std::memory_order_release);
        }
        return *verifier_engine_;
    }

    static Result<Owned<wasmtime_module_t>> read_module(
        wasm_engine_t& engine, const internal::MappedFile& code) {
        wasmtime_module_t* module = nullptr;
        const Owned<wasmtime_error_t> error(
            wasmtime_module_deserialize(&engine, code.view().data(), code.view().size(), &module));
        if (error) {
            // The code is as our own compiler made it: it asks for more than any program gets, or
            // this worker cannot read it.
            std::string why = describe(*error);
            const bool too_large = why.contains(kTooLarge);
            return fail(
                too_large ? CommonError::limit_exceeded : CommonError::corrupt, std::move(why));
        }
        return Owned<wasmtime_module_t>(module);
    }

    void unload(BytesView message) {
        WireReader reader(message.subspan(1));
        const std::lock_guard lock(mutex_);
        programs_.erase(reader.get<std::uint32_t>());
    }

    void cancel(BytesView message) {
        WireReader reader(message.subspan(1));
        const auto id = reader.get<std::uint64_t>();
        const std::lock_guard lock(mutex_);
        if (const auto run = runs_.find(id); run != runs_.end()) {
            run->second->cancel();
        }
    }

    void run(Message message) {
        const auto request = parse_run(message.data);
        if (!request) {
            return;
        }
        Stdio stdio(stdio_settings(*request, message));
        std::shared_ptr<const Loaded> program;
        {
            const std::lock_guard lock(mutex_);
            const auto place = programs_.find(request->module);
            program = place == programs_.end() ? nullptr : place->second;
            runs_[request->id] = &stdio;
        }
        RunResult result;
        result.id = request->id;
        Owned<wasmtime_store_t> store;
        result.outcome = program ? execute(*program, *request, stdio, store)
                                 : sandbox_failure("the program is not loaded");
        stdio.finish();
        {
            const std::lock_guard lock(mutex_);
            runs_.erase(request->id);
        }
        result.streamed = stdio.streamed();
        if (!result.streamed) {
            result.output = stdio.kept();
        }
        // The store goes after the answer: cleaning up takes longer than answering.
        say(encode(result));
    }

    Outcome execute(const Loaded& program,
        const RunRequest& request,
        Stdio& stdio,
        Owned<wasmtime_store_t>& store) {
        if (const auto* command = std::get_if<Program>(&program)) {
            return run_program(*engine_, *command, request, stdio, store);
        }
        if (const auto* component = std::get_if<Component>(&program)) {
            return run_component(
                *component, request, stdio, [this, id = request.id] { return connect(id); });
        }
        return run_verifier(verifier_engine(), std::get<VerifierProgram>(program), stdio, store);
    }

    /// Gives one end of a new connection to the node's proxy, and returns the other, which does not
    /// block.
    internal::UniqueFd connect(std::uint64_t id) const {
        auto pair = internal::make_stream_pair();
        if (!pair) {
            return {};
        }
        WireWriter writer;
        writer.put(MessageKind::connect);
        writer.put(id);
        const int theirs = (*pair)[1].get();
        const auto sent = internal::send_message(socket_, writer.bytes(), std::span(&theirs, 1), 0);
        return sent ? std::move((*pair)[0]) : internal::UniqueFd();
    }

    Stdio::Settings stdio_settings(const RunRequest& request, Message& message) {
        const bool piped = request.input == InputKind::pipe;
        return {
            .input = request.body,
            .input_fd = message.fds.empty() ? internal::UniqueFd() : std::move(message.fds[0]),
            .input_is_pipe = piped,
            .response_bytes = request.response_bytes,
            .stderr_bytes = request.stderr_bytes,
            .deadline =
                std::chrono::steady_clock::now() + std::chrono::milliseconds(request.wall_ms),
            .open_stream =
                [this, id = request.id](int reader) {
                    WireWriter writer;
                    writer.put(MessageKind::stream);
                    writer.put(id);
                    return internal::send_message(socket_, writer.bytes(), std::span(&reader, 1), 0)
                        .has_value();
                },
        };
    }

    int socket_;
    std::uint32_t slots_;
    Owned<wasm_engine_t> engine_;
    Owned<wasmtime_linker_t> linker_;
    std::mutex engine_mutex_;
    Owned<wasm_engine_t> verifier_engine_;
    /// As `verifier_engine_`, for the ticker.
    std::atomic<wasm_engine_t*> verifiers_ = nullptr;
    std::unique_ptr<const ComponentEngine> component_engine_;
    /// As `component_engine_`, for the ticker.
    std::atomic<const ComponentEngine*> components_ = nullptr;
    std::mutex mutex_;
    std::map<std::uint32_t, std::shared_ptr<const Loaded>> programs_;
    std::unordered_map<std::uint64_t, Stdio*> runs_;
};

}  // namespace

int run_worker_main(int socket, const internal::AcceptedLayers& accepted, std::uint32_t runs) {
    ::signal(SIGPIPE, SIG_IGN);
    // Waking up for a message must not interrupt whoever sends a batch of them.
    const sched_param parameters{};
    ::sched_setscheduler(0, SCHED_BATCH, &parameters);
    auto confined = internal::confine(
        {.open_files = 24 * std::uint64_t{runs} + 64, .system_calls = internal::SystemCalls::wasm},
        accepted);
    RunWorker worker(socket, runs);
    if (confined) {
        confined = worker.prepare();
    }
    WireWriter ready;
    ready.put(MessageKind::ready);
    ready.put_text(confined ? "" : confined.error().message());
    worker.say(ready.bytes());
    if (!confined) {
        return 1;
    }
    // One thread more than runs, so that a cancellation always finds one.
    ThreadCrew crew({.maximum = runs + 1,
        .serve = [&worker](ThreadCrew& self) { return worker.serve(self); },
        .on_tick = [&worker] { worker.tick(); }});
    crew.run();
    return 0;
}

}  // namespace decloud::sandbox::wasm
