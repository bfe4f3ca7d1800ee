#include "runtime.hpp"

#include "../internal/cache_index.hpp"
#include "../internal/one_shot.hpp"
#include "../server/http_message.hpp"
#include "artifact.hpp"
#include "code_cache.hpp"
#include "compile_worker.hpp"
#include "component.hpp"
#include "invocation.hpp"
#include "worker_pool.hpp"

#include <decloud/async/cancellation.hpp>
#include <decloud/async/event.hpp>
#include <decloud/async/offload.hpp>
#include <decloud/base/log.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

namespace decloud::sandbox::wasm {

using internal::UniqueFd;

namespace {

constexpr std::size_t kCompilesAtOnce = 2;
constexpr std::size_t kCompileQueue = 64;
/// How much longer than the processor time it may use compiling may take on a busy machine.
constexpr int kBusy = 4;
constexpr std::uint64_t kMaximumCode = 512 * kMiB;

class WasmRuntime final : public Runtime {
  public:
    WasmRuntime(async::Executor executor,
        const SandboxSettings& settings,
        boost::asio::thread_pool& pool,
        Purpose purpose)
        : executor_(executor),
          settings_(settings),
          pool_(pool),
          purpose_(purpose),
          cache_(settings.cache_dir / (purpose == Purpose::verifiers ? "verifier" : "wasm"),
              settings.mac_key),
          opened_(cache_.open()),
          index_(settings.compiled_cache_bytes),
          workers_(executor, settings),
          compiles_(executor, kCompilesAtOnce, kCompileQueue) {
        index_.scan(cache_.folder());
    }

    async::Task<Result<std::shared_ptr<const Artifact>>> prepare(std::string program_key,
        std::string isolation_key,
        Bytes package_zip,
        Manifest manifest) override;
    bool is_prepared(const std::string& program_key,
        const std::string&,
        const Manifest& manifest) const override {
        return cache_.contains(CodeCache::name_of(program_key, manifest.entry));
    }
    async::Task<Outcome> invoke(std::shared_ptr<const Artifact> artifact,
        Environment environment,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) override;
    async::Task<Outcome> answer(std::shared_ptr<const Artifact> artifact,
        CgiRequest request,
        Environment own,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) override;
    async::Task<void> stop() override {
        compiles_.close();
        stopping_.cancel();
        co_await workers_.stop();
    }

  private:
    async::Task<Result<UniqueFd>> find_or_compile(
        std::string name, std::string owner, Bytes package_zip, std::string entry);
    async::Task<Result<UniqueFd>> compile(
        std::string name, std::string owner, Bytes package_zip, std::string entry);
    void account(const std::string& name, internal::CacheUse& use);
    Result<ProgramKind> kind_of(const UniqueFd& code) const;
    async::Task<Outcome> run(std::shared_ptr<const WasmArtifact> program, Invocation invocation);

    async::Executor executor_;
    const SandboxSettings& settings_;
    boost::asio::thread_pool& pool_;
    Purpose purpose_;
    CodeCache cache_;
    Result<void> opened_;
    internal::CacheIndex index_;
    WorkerPool workers_;
    internal::Gate compiles_;
    async::CancellationSource stopping_;
    struct Preparing {
        explicit Preparing(async::Executor executor) : done(std::move(executor)) {}
        async::Event done;
        /// Of one that had the package.
        std::optional<Error> failure;
    };
    /// Names that are being prepared, with who waits for them.
    std::map<std::string, std::shared_ptr<Preparing>> preparing_;
};

async::Task<Result<UniqueFd>> WasmRuntime::compile(
    std::string name, std::string owner, Bytes package_zip, std::string entry) {
    auto zip = internal::make_sealed_memory(package_zip);
    if (!zip) {
        co_return fail(zip.error());
    }
    if (!co_await compiles_.enter(std::move(owner))) {
        co_return fail(CommonError::unavailable, "too many programs wait to be compiled");
    }
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(*zip));
    auto code = co_await internal::run_one_shot(executor_, settings_.worker_executable,
        {"compile", fmt::format("{}", fmt::join(settings_.accept_missing, ","))},
        make_compile_request(purpose_, entry,
            {.unpacked_bytes = settings_.unpacked_bytes,
                .memory_bytes = settings_.compile_memory_bytes,
                .cpu = settings_.compile_wall}),
        std::move(fds), kBusy * settings_.compile_wall, stopping_.token());
    compiles_.leave();
    if (!code) {
        co_return fail(code.error());
    }
    const int fd = code->get();
    co_return co_await async::offload(pool_, [this, fd, name]() -> Result<UniqueFd> {
        // The worker could still change what it sent: a copy, and sealed.
        TRY(const Bytes content, internal::read_file_descriptor(fd, kMaximumCode));
        TRY(UniqueFd sealed, internal::make_sealed_memory(content));
        TRY_VOID(cache_.store(name, sealed.get()));
        return sealed;
    });
}

async::Task<Result<UniqueFd>> WasmRuntime::find_or_compile(
    std::string name, std::string owner, Bytes package_zip, std::string entry) {
    auto code = co_await async::offload(pool_, [this, name] { return cache_.load(name); });
    if (code) {
        co_return code;
    }
    if (package_zip.empty()) {
        co_return fail(CommonError::not_found, "the package is needed to compile the program");
    }
    co_return co_await compile(name, std::move(owner), std::move(package_zip), entry);
}

async::Task<Result<std::shared_ptr<const Artifact>>> WasmRuntime::prepare(
    std::string program_key, std::string isolation_key, Bytes package_zip, Manifest manifest) {
    if (!opened_) {
        co_return fail(opened_.error());
    }
    const std::string name = CodeCache::name_of(program_key, manifest.entry);
    for (auto place = preparing_.find(name); place != preparing_.end();
        place = preparing_.find(name)) {
        const std::shared_ptr<Preparing> other = place->second;
        // As long as compiling may take: who came first waits no less.
        CO_TRY_VOID(co_await other->done.wait(kBusy * settings_.compile_wall));
        if (const std::optional<Error> failure = other->failure) {
            co_return fail(*failure);
        }
    }
    const auto mine = std::make_shared<Preparing>(executor_);
    preparing_[name] = mine;
    internal::CacheUse use = index_.use(CodeCache::file_name(name));
    const bool has_package = !package_zip.empty();
    auto code =
        co_await find_or_compile(name, isolation_key, std::move(package_zip), manifest.entry);
    if (!code && has_package) {
        mine->failure = code.error();
    }
    preparing_.erase(name);
    mine->done.set();
    account(name, use);
    if (!code) {
        co_return fail(code.error());
    }
    CO_TRY(const ProgramKind kind, kind_of(*code));
    if (manifest.egress && kind != ProgramKind::component) {
        co_return fail(CommonError::invalid_input,
            "only a WebAssembly component has a way to other machines, and this is a module");
    }
    co_return std::make_shared<const WasmArtifact>(std::move(program_key), std::move(isolation_key),
        name, kind, std::move(*code), std::move(use), std::move(manifest.egress));
}

Result<ProgramKind> WasmRuntime::kind_of(const UniqueFd& code) const {
    if (purpose_ == Purpose::verifiers) {
        return ProgramKind::verifier;
    }
    TRY(const bool is_component, is_component_code(code));
    return is_component ? ProgramKind::component : ProgramKind::command;
}

/// Brings the index to what is on disk under that name now, and makes room.
void WasmRuntime::account(const std::string& name, internal::CacheUse& use) {
    const std::string file = CodeCache::file_name(name);
    const std::uint64_t bytes = cache_.file_bytes(name);
    if (bytes == 0) {
        use.reset();
        index_.forget(file);
        return;
    }
    cache_.touch(name);
    index_.set_bytes(file, bytes);
    internal::make_room(
        index_,
        [this](const std::string& old) {
            log::info("sandbox", "compiled module {} is removed to make room", old);
            ::unlink((cache_.folder() / old).c_str());
        },
        settings_.release_unused);
}

/// A component's variables: ours, then the deployment's others.
Environment component_environment(const CgiRequest& request, Environment own) {
    Environment environment{{"DECLOUD_CID", request.cid},
        {"DECLOUD_DEADLINE_MS", std::to_string(request.deadline.count())}};
    for (auto& variable : own) {
        if (std::ranges::find(environment, variable.first, &Environment::value_type::first) ==
            environment.end()) {
            environment.push_back(std::move(variable));
        }
    }
    return environment;
}

Outcome not_loaded(const Error& error) {
    if (error != make_error_code(CommonError::limit_exceeded)) {
        return sandbox_failure(error.message());
    }
    Outcome outcome;
    outcome.end = Outcome::End::limit;
    outcome.detail = error.detail();
    return outcome;
}

async::Task<Outcome> WasmRuntime::invoke(std::shared_ptr<const Artifact> artifact,
    Environment environment,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    auto program = std::dynamic_pointer_cast<const WasmArtifact>(artifact);
    if (!program || program->kind() == ProgramKind::component) {
        co_return sandbox_failure("a component takes requests as they came");
    }
    co_return co_await run(
        std::move(program), Invocation(executor_, {}, std::move(environment), std::move(body),
                                std::move(sink), limits, nullptr, std::move(cancel)));
}

async::Task<Outcome> WasmRuntime::answer(std::shared_ptr<const Artifact> artifact,
    CgiRequest request,
    Environment own,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    if (purpose_ == Purpose::verifiers) {
        Outcome refused;
        refused.end = Outcome::End::limit;
        refused.detail = "a verifier answers no requests";
        co_return refused;
    }
    auto program = std::dynamic_pointer_cast<const WasmArtifact>(artifact);
    if (!program || program->kind() != ProgramKind::component) {
        co_return co_await Runtime::answer(std::move(artifact), std::move(request), std::move(own),
            std::move(body), std::move(sink), limits, std::move(cancel));
    }
    const Bytes* whole = body->whole();
    const server::BodyFraming framing{
        .length = whole != nullptr ? whole->size() : request.content_length};
    std::string head = server::make_request_head(request, framing);
    std::shared_ptr<Egress> egress = program->egress();
    co_return co_await run(std::move(program),
        Invocation(executor_, std::move(head), component_environment(request, std::move(own)),
            std::move(body), std::move(sink), limits, std::move(egress), std::move(cancel)));
}

async::Task<Outcome> WasmRuntime::run(
    std::shared_ptr<const WasmArtifact> program, Invocation invocation) {
    while (true) {
        auto worker = workers_.find(program->isolation_key());
        if (!worker) {
            auto started = co_await workers_.acquire(program->isolation_key());
            if (!started) {
                co_return sandbox_failure(started.error().message());
            }
            worker = std::move(*started);
        }
        const WasmWorker::Use use(worker);
        auto number = worker->loaded(*program);
        if (!number) {
            const auto loaded = co_await worker->load(program, cache_, pool_);
            if (!loaded) {
                co_return not_loaded(loaded.error());
            }
            number = *loaded;
        }
        if (!worker->gate().try_enter() && !co_await worker->gate().enter("")) {
            co_return sandbox_failure("overloaded: too many runs of this owner are waiting");
        }
        auto outcome = co_await invocation.run(worker, *number);
        worker->gate().leave();
        if (outcome) {
            co_return std::move(*outcome);
        }
    }
}

}  // namespace

std::unique_ptr<Runtime> make_wasm_runtime(
    async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool) {
    return std::make_unique<WasmRuntime>(std::move(executor), settings, pool, Purpose::functions);
}

std::unique_ptr<Runtime> make_verifier_runtime(
    async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool) {
    return std::make_unique<WasmRuntime>(std::move(executor), settings, pool, Purpose::verifiers);
}

}  // namespace decloud::sandbox::wasm
