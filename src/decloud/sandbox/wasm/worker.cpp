#include "worker.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>

namespace decloud::sandbox::wasm {

using internal::Message;
using internal::UniqueFd;
using internal::WireReader;
using internal::WireWriter;
using std::chrono::steady_clock;

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaximumPrograms = 128;
constexpr std::size_t kQueue = 1024;

}  // namespace

WasmWorker::WasmWorker(
    async::Executor executor, const SandboxSettings& settings, internal::WorkerProcess process)
    : executor_(executor),
      gate_(executor, settings.wasm_runs_per_worker, kQueue),
      ready_(executor),
      last_used_(steady_clock::now()),
      tasks_(executor) {
    channel_ = std::make_unique<internal::WorkerChannel>(executor, std::move(process),
        internal::WorkerChannel::Handlers{
            .on_message = [this](Message message) { return on_message(std::move(message)); },
            .on_end = [this](const std::string& how) { on_end(how); }});
}

async::Task<Result<void>> WasmWorker::ready() {
    CO_TRY_VOID(co_await ready_.wait(10s));
    if (!failure_.empty()) {
        co_return fail(CommonError::unavailable, "WASM worker: " + failure_);
    }
    co_return Result<void>{};
}

std::optional<std::uint32_t> WasmWorker::loaded(const WasmArtifact& artifact) {
    const auto place = programs_.find(artifact.code_name());
    if (place == programs_.end() || !place->second.loaded) {
        return std::nullopt;
    }
    place->second.last_used = ++program_clock_;
    return place->second.number;
}

void WasmWorker::forget_oldest_program() {
    const auto oldest = std::ranges::min_element(programs_, {}, [](const auto& entry) {
        return entry.second.loaded ? entry.second.last_used : ~std::uint64_t{0};
    });
    if (oldest == programs_.end() || !oldest->second.loaded) {
        return;
    }
    WireWriter writer;
    writer.put(MessageKind::unload);
    writer.put(oldest->second.number);
    channel_->send(writer.take());
    programs_.erase(oldest);
}

async::Task<Result<std::uint32_t>> WasmWorker::load(std::shared_ptr<const WasmArtifact> artifact,
    const CodeCache& cache,
    boost::asio::thread_pool& pool) {
    if (ended_) {
        co_return fail(CommonError::unavailable, failure_);
    }
    if (const auto number = loaded(*artifact)) {
        co_return *number;
    }
    const std::string name = artifact->code_name();
    std::shared_ptr<async::Event> answered;
    if (const auto place = programs_.find(name); place != programs_.end()) {
        answered = place->second.answered;
    } else {
        if (programs_.size() >= kMaximumPrograms) {
            forget_oldest_program();
        }
        answered = std::make_shared<async::Event>(executor_);
        const std::uint32_t number = ++last_number_;
        LoadedProgram& program = programs_[name];
        program.number = number;
        program.answered = answered;
        Result<UniqueFd> code = artifact->take_fresh_code();
        if (!*code) {
            code = co_await async::offload(pool, [&cache, name] { return cache.load(name); });
        }
        if (!code) {
            programs_.erase(name);
            answered->set();
            co_return fail(CommonError::unavailable, code.error().message());
        }
        WireWriter writer;
        writer.put(MessageKind::load);
        writer.put(number);
        writer.put(artifact->kind());
        std::vector<UniqueFd> fds;
        fds.push_back(std::move(*code));
        channel_->send(writer.take(), std::move(fds));
    }
    CO_TRY_VOID(co_await answered->wait(30s));
    const auto place = programs_.find(name);
    if (place == programs_.end()) {
        co_return fail(CommonError::unavailable, "the program could not be loaded");
    }
    if (!place->second.loaded) {
        auto error = fail(place->second.at_fault && !ended_ ? CommonError::limit_exceeded
                                                            : CommonError::unavailable,
            place->second.error);
        programs_.erase(place);
        co_return error;
    }
    co_return place->second.number;
}

void WasmWorker::start(
    PendingRun& run, RunRequest request, const Environment& environment, UniqueFd fd) {
    if (ended_) {
        finish(run);
        return;
    }
    run.kill_at = steady_clock::now() + std::chrono::milliseconds(request.wall_ms) + kill_grace_;
    runs_[request.id] = &run;
    std::vector<UniqueFd> fds;
    if (fd) {
        fds.push_back(std::move(fd));
    }
    channel_->send(encode(request, environment), std::move(fds));
    if (!watching_) {
        watching_ = true;
        tasks_.spawn(watch());
    }
}

void WasmWorker::cancel(std::uint64_t id) {
    const auto place = runs_.find(id);
    if (place == runs_.end()) {
        return;
    }
    place->second->kill_at = std::min(place->second->kill_at, steady_clock::now() + kill_grace_);
    WireWriter writer;
    writer.put(MessageKind::cancel);
    writer.put(id);
    channel_->send(writer.take());
}

async::Task<void> WasmWorker::watch() {
    const auto self = shared_from_this();
    try {
        while (!runs_.empty() && !ended_) {
            co_await async::delay(100ms);
            const auto now = steady_clock::now();
            bool overstayed = false;
            for (auto& [id, run] : runs_) {
                run->overstayed = now >= run->kill_at;
                overstayed = overstayed || run->overstayed;
            }
            if (overstayed) {
                log::warning("sandbox", "a program overstayed its time limit in worker {}: killed",
                    channel_->pid());
                channel_->kill();
                break;
            }
        }
    } catch (const boost::system::system_error& stopped) {
        log::debug("sandbox", "watching a worker ends: {}", stopped.code().message());
    }
    watching_ = false;
}

bool WasmWorker::on_message(Message message) {
    switch (static_cast<MessageKind>(message.data.front())) {
        case MessageKind::done:
            return on_done(message.data);
        case MessageKind::stream:
            return on_stream(std::move(message));
        case MessageKind::connect:
            return on_connect(std::move(message));
        case MessageKind::loaded:
            return on_loaded(message.data);
        case MessageKind::ready: {
            WireReader reader(message.data.subspan(1));
            failure_ = reader.get_text().substr(0, 1000);
            ready_.set();
            return reader.complete();
        }
        case MessageKind::load:
        case MessageKind::unload:
        case MessageKind::run:
        case MessageKind::cancel:
            break;
    }
    return false;
}

bool WasmWorker::on_loaded(BytesView message) {
    WireReader reader(message.subspan(1));
    const auto number = reader.get<std::uint32_t>();
    const bool at_fault = reader.get<std::uint8_t>() != 0;
    const std::string_view error = reader.get_text();
    if (!reader.complete()) {
        return false;
    }
    for (auto& [name, program] : programs_) {
        if (program.number == number) {
            program.loaded = error.empty();
            program.at_fault = at_fault;
            program.error = error.substr(0, 1000);
            program.last_used = ++program_clock_;
            program.answered->set();
        }
    }
    return true;
}

bool WasmWorker::on_stream(Message message) {
    WireReader reader(message.data.subspan(1));
    const auto id = reader.get<std::uint64_t>();
    const auto place = runs_.find(id);
    if (!reader.complete() || message.fds.size() != 1 || place == runs_.end() ||
        place->second->stream) {
        return false;
    }
    place->second->stream = std::move(message.fds[0]);
    place->second->started.set();
    return true;
}

bool WasmWorker::on_connect(Message message) {
    WireReader reader(message.data.subspan(1));
    const auto id = reader.get<std::uint64_t>();
    const auto place = runs_.find(id);
    if (!reader.complete() || message.fds.size() != 1 || place == runs_.end() ||
        !place->second->connect || !internal::is_unix_stream(message.fds[0].get())) {
        return false;
    }
    place->second->connect(std::move(message.fds[0]));
    return true;
}

bool WasmWorker::on_done(BytesView message) {
    auto result = parse_done(message);
    if (!result) {
        return false;
    }
    const auto place = runs_.find(result->id);
    if (place == runs_.end()) {
        return false;
    }
    PendingRun& run = *place->second;
    run.output = to_bytes(result->output);
    run.result = std::move(*result);
    run.result->output = {};
    runs_.erase(place);
    finish(run);
    return true;
}

void WasmWorker::finish(PendingRun& run) {
    run.done.set();
    run.started.set();
}

void WasmWorker::on_end(const std::string& how) {
    ended_ = true;
    if (failure_.empty()) {
        failure_ = how;
    }
    ready_.set();
    for (auto& [name, program] : programs_) {
        program.loaded = false;
        program.at_fault = false;
        program.error = how;
        program.answered->set();
    }
    for (auto& [id, run] : std::exchange(runs_, {})) {
        finish(*run);
    }
    gate_.close();
}

async::Task<void> WasmWorker::stop() {
    tasks_.cancel();
    co_await channel_->stop();
    co_await tasks_.join();
}

}  // namespace decloud::sandbox::wasm
