#include "sandbox.hpp"

#include "native/host.hpp"
#include "native/runtime.hpp"
#include "oci/runtime.hpp"
#include "server/runtime.hpp"
#include "wasm/runtime.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace decloud::sandbox {

namespace {

constexpr std::size_t kThreads = 2;

/// The name of the first limit but the time that is above the operator's, or nothing.
std::string_view first_excess(const Limits& wanted, const Limits& most) {
    return wanted.memory_bytes > most.memory_bytes       ? "memory"
           : wanted.pids > most.pids                     ? "processes"
           : wanted.cpu_millis > most.cpu_millis         ? "cpu"
           : wanted.request_bytes > most.request_bytes   ? "request size"
           : wanted.response_bytes > most.response_bytes ? "response size"
           : wanted.tmp_bytes > most.tmp_bytes           ? "size of /tmp"
           : wanted.tmp_inodes > most.tmp_inodes         ? "files in /tmp"
           : wanted.files > most.files                   ? "open files"
                                                         : "";
}

Limits cut(Limits limits, const Limits& most) {
    limits.wall = std::clamp(limits.wall, std::chrono::milliseconds(1), most.wall);
    limits.memory_bytes = std::min(limits.memory_bytes, most.memory_bytes);
    limits.pids = std::min(limits.pids, most.pids);
    limits.cpu_millis = std::min(limits.cpu_millis, most.cpu_millis);
    limits.request_bytes = std::min(limits.request_bytes, most.request_bytes);
    limits.response_bytes = std::min(limits.response_bytes, most.response_bytes);
    limits.stderr_bytes = std::min(limits.stderr_bytes, most.stderr_bytes);
    limits.tmp_bytes = std::min(limits.tmp_bytes, most.tmp_bytes);
    limits.tmp_inodes = std::min(limits.tmp_inodes, most.tmp_inodes);
    limits.files = std::min(limits.files, most.files);
    return limits;
}

}  // namespace

Sandbox::Sandbox(async::Executor executor, SandboxSettings settings)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      pool_(kThreads),
      host_(std::make_shared<native::Host>(executor_, settings_, pool_)) {
    // Writing a body to a program that does not read it is an error code, not the node's end.
    ::signal(SIGPIPE, SIG_IGN);
    const auto offer = [this](const std::string& name, const Factory& factory) {
        if (std::ranges::find(settings_.runtimes, name) != settings_.runtimes.end()) {
            register_runtime(name, factory);
        }
    };
    const auto of_host = [host = host_](auto make) -> Factory {
        return [host, make](const async::Executor&, const SandboxSettings&,
                   boost::asio::thread_pool&) { return make(host); };
    };
    offer("wasm", wasm::make_wasm_runtime);
    offer("verifier", wasm::make_verifier_runtime);
    offer("native", of_host(native::make_native_runtime));
    offer("oci", of_host(oci::make_oci_runtime));
    offer("server", of_host([](std::shared_ptr<native::Host> host) {
        return server::make_server_runtime(std::move(host), "server");
    }));
}

Sandbox::~Sandbox() { pool_.join(); }

void Sandbox::register_runtime(std::string name, const Factory& factory) {
    runtimes_[std::move(name)] = factory(executor_, settings_, pool_);
}

bool Sandbox::has_runtime(std::string_view name) const { return runtimes_.contains(name); }

Limits Sandbox::most(std::string_view runtime) const {
    Limits limits = settings_.maximum;
    if (runtime != "wasm" && runtime != "verifier") {
        limits.wall = std::min(limits.wall, settings_.native_wall);
    }
    return limits;
}

Result<void> Sandbox::accepts(const Manifest& manifest) const {
    if (!has_runtime(manifest.runtime)) {
        return fail(CommonError::not_found,
            fmt::format("this provider has no runtime '{}'", manifest.runtime));
    }
    if (manifest.egress && manifest.runtime == "verifier") {
        return fail(CommonError::invalid_input, "verifiers have no way to other machines");
    }
    const Limits allowed = most(manifest.runtime);
    if (manifest.limits.wall > allowed.wall) {
        return fail(CommonError::limit_exceeded,
            fmt::format("the function's limit 'wall' of {} ms is above this provider's {} ms for "
                        "the runtime {}",
                manifest.limits.wall.count(), allowed.wall.count(), manifest.runtime));
    }
    if (const auto excess = first_excess(manifest.limits, allowed); !excess.empty()) {
        return fail(CommonError::limit_exceeded,
            fmt::format("the function's limit '{}' is above this provider's", excess));
    }
    return {};
}

async::Task<Result<std::shared_ptr<const Artifact>>> Sandbox::prepare(
    std::string program_key, std::string isolation_key, Bytes package_zip, Manifest manifest) {
    CO_TRY_VOID(accepts(manifest));
    if (package_zip.size() > settings_.package_bytes) {
        co_return fail(CommonError::limit_exceeded,
            fmt::format("the package is larger than {} bytes", settings_.package_bytes));
    }
    if (stopped_) {
        co_return fail(CommonError::cancelled, "the sandbox is stopping");
    }
    co_return co_await runtimes_.at(manifest.runtime)
        ->prepare(std::move(program_key), std::move(isolation_key), std::move(package_zip),
            std::move(manifest));
}

bool Sandbox::is_prepared(const std::string& program_key,
    const std::string& isolation_key,
    const Manifest& manifest) const {
    const auto runtime = runtimes_.find(manifest.runtime);
    return runtime != runtimes_.end() &&
           runtime->second->is_prepared(program_key, isolation_key, manifest);
}

async::Task<Outcome> Sandbox::invoke(std::shared_ptr<const Artifact> artifact,
    Environment environment,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    const auto runtime = runtimes_.find(artifact->runtime());
    if (runtime == runtimes_.end() || stopped_) {
        return []() -> async::Task<Outcome> {
            co_return sandbox_failure("the sandbox is stopping");
        }();
    }
    const Limits allowed = cut(limits, most(runtime->first));
    return runtime->second->invoke(std::move(artifact), std::move(environment), std::move(body),
        std::move(sink), allowed, std::move(cancel));
}

async::Task<Outcome> Sandbox::answer(std::shared_ptr<const Artifact> artifact,
    CgiRequest request,
    Environment own,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    const auto runtime = runtimes_.find(artifact->runtime());
    if (runtime == runtimes_.end() || stopped_) {
        return []() -> async::Task<Outcome> {
            co_return sandbox_failure("the sandbox is stopping");
        }();
    }
    const Limits allowed = cut(limits, most(runtime->first));
    return runtime->second->answer(std::move(artifact), std::move(request), std::move(own),
        std::move(body), std::move(sink), allowed, std::move(cancel));
}

async::Task<void> Sandbox::stop() {
    if (std::exchange(stopped_, true)) {
        co_return;
    }
    for (auto& [name, runtime] : runtimes_) {
        co_await runtime->stop();
    }
    co_await host_->stop();
}

}  // namespace decloud::sandbox
