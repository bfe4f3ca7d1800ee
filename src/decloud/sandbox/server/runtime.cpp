#include "runtime.hpp"

#include "../native/program.hpp"
#include "exchange.hpp"
#include "pool.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace decloud::sandbox::server {

namespace {

/// A server that broke off an answer has mostly died: so long is waited for the news how.
constexpr std::chrono::milliseconds kNewsOfDeath{1000};

constexpr std::size_t kMaximumEnvironment = 128 * 1024;

std::size_t size_of(const Environment& environment) {
    std::size_t size = 0;
    for (const auto& [name, value] : environment) {
        size += name.size() + value.size() + 2;
    }
    return size;
}

/// What the program finds besides the deployment's own variables: that descriptor 3 listens, in
/// the form that systemd's services know.
Environment environment_of(const CgiRequest& request, Environment own) {
    Environment environment{{"LISTEN_FDS", "1"}, {"LISTEN_PID", "2"}, {"DECLOUD_CID", request.cid}};
    for (auto& variable : own) {
        if (std::ranges::find(environment, variable.first, &Environment::value_type::first) ==
            environment.end()) {
            environment.push_back(std::move(variable));
        }
    }
    return environment;
}

class ServerRuntime final : public Runtime {
  public:
    ServerRuntime(std::shared_ptr<native::Host> host, std::string_view name)
        : host_(std::move(host)), pool_(*host_, name) {}

    async::Task<Result<std::shared_ptr<const Artifact>>> prepare(
        std::string program_key, std::string owner, Bytes package_zip, Manifest manifest) override {
        CO_TRY(auto package,
            co_await host_->packages().unpack(program_key, manifest.entry, std::move(package_zip)));
        native::ProgramStart start = native::start_of_package(package.path, manifest.entry);
        co_return std::make_shared<const native::ProgramArtifact>(std::move(program_key),
            std::move(owner), std::move(manifest), std::move(start), Environment{},
            std::move(package.use));
    }
    bool is_prepared(const std::string& program_key,
        const std::string&,
        const Manifest& manifest) const override {
        return host_->packages().contains(program_key, manifest.entry);
    }
    async::Task<Outcome> invoke(std::shared_ptr<const Artifact>,
        Environment,
        std::shared_ptr<BodySource>,
        std::shared_ptr<ResponseSink>,
        Limits,
        async::CancellationToken) override {
        co_return sandbox_failure("a server takes requests, not CGI variables");
    }
    async::Task<Outcome> answer(std::shared_ptr<const Artifact> artifact,
        CgiRequest request,
        Environment own,
        std::shared_ptr<BodySource> body,
        std::shared_ptr<ResponseSink> sink,
        Limits limits,
        async::CancellationToken cancel) override;
    async::Task<void> stop() override { co_await pool_.stop(); }

  private:
    std::shared_ptr<native::Host> host_;
    InstancePool pool_;
};

Outcome over_limit(std::string detail) {
    Outcome outcome;
    outcome.end = Outcome::End::limit;
    outcome.detail = std::move(detail);
    return outcome;
}

/// What a call that broke off is told: how the server ended, if it did.
Outcome of_death(Outcome outcome, const Instance& instance) {
    const Outcome& death = instance.outcome();
    outcome.exit_code = death.exit_code;
    outcome.stderr_tail = death.stderr_tail;
    outcome.peak_bytes = death.peak_bytes;
    if (death.end == Outcome::End::exited) {
        outcome.detail = fmt::format("the server ended with exit code {}", death.exit_code);
    } else {
        outcome.end = death.end;
        outcome.detail = death.detail;
    }
    return outcome;
}

async::Task<Outcome> ServerRuntime::answer(std::shared_ptr<const Artifact> artifact,
    CgiRequest request,
    Environment own,
    std::shared_ptr<BodySource> body,
    std::shared_ptr<ResponseSink> sink,
    Limits limits,
    async::CancellationToken cancel) {
    const auto server = std::dynamic_pointer_cast<const native::ProgramArtifact>(artifact);
    if (!server) {
        co_return sandbox_failure("not a server");
    }
    if (const Bytes* whole = body->whole();
        whole != nullptr && whole->size() > limits.request_bytes) {
        co_return over_limit("the request is larger than allowed");
    }
    Environment environment = environment_of(request, std::move(own));
    if (server->manifest().egress) {
        environment = native::with_proxy(std::move(environment));
    }
    environment = server->with_own(std::move(environment));
    if (size_of(environment) > kMaximumEnvironment) {
        co_return over_limit("the environment is larger than allowed");
    }
    const auto start = std::chrono::steady_clock::now();
    auto program = std::make_shared<const ServerProgram>(ServerProgram{.artifact = server,
        .start = server->start(),
        .environment = std::move(environment),
        .limits = limits,
        .concurrency = server->manifest().concurrency,
        .idle = server->manifest().idle,
        .deployment = request.cid,
        .egress = server->manifest().egress});
    const std::string key = request.cid;
    const Place place = co_await pool_.enter(key, std::move(program), limits.wall, cancel);
    if (!place.instance) {
        co_return place.refusal;
    }
    Instance& instance = *place.instance;
    if (const auto thawed = co_await instance.thawed(); !thawed) {
        pool_.leave(key, instance, false, true);
        co_return sandbox_failure(thawed.error().message());
    }
    const auto waited =
        std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    limits.wall = std::max(limits.wall - waited, std::chrono::milliseconds(1));
    ExchangeResult result;
    auto connection = instance.connect();
    const bool connected = connection.has_value();
    if (connected) {
        result = co_await exchange(std::move(*connection), std::move(request), std::move(body),
            std::move(sink), limits, std::move(cancel));
    } else {
        result.broken = true;
        result.outcome.end = Outcome::End::trapped;
        result.outcome.detail = connection.error().message();
    }
    if (result.broken && co_await instance.ended_within(kNewsOfDeath)) {
        result.outcome = of_death(std::move(result.outcome), instance);
    }
    result.outcome.egress = instance.take_egress_use();
    // One that is full of connections that nobody waits for any more never takes another.
    const bool retire = !connected || result.outcome.end == Outcome::End::timed_out;
    pool_.leave(key, instance, result.outcome.succeeded(), retire);
    co_return result.outcome;
}

}  // namespace

std::unique_ptr<Runtime> make_server_runtime(
    std::shared_ptr<native::Host> host, std::string_view name) {
    return std::make_unique<ServerRuntime>(std::move(host), name);
}

}  // namespace decloud::sandbox::server
