#include "dev_server.hpp"

#include <decloud/client/error.hpp>
#include <decloud/client/logs.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/multiformats/cid.hpp>
#include <decloud/node/edge.hpp>
#include <decloud/node/metrics_registry.hpp>

#include <algorithm>
#include <cstdlib>

namespace decloud::cli::internal {

namespace fs = std::filesystem;

namespace {

constexpr auto kGrace = std::chrono::seconds(1);

Result<fs::path> make_folder() {
    std::string text = (fs::temp_directory_path() / "decloud-dev-XXXXXX").string();
    if (mkdtemp(text.data()) == nullptr) {
        return fail(errno_error("make " + text));
    }
    return fs::path(text);
}

sandbox::SandboxSettings sandbox_settings(const fs::path& folder) {
    sandbox::SandboxSettings settings;
    settings.cache_dir = folder;
    settings.mac_key = crypto::random_array<32>();
    return settings;
}

}  // namespace

/// What is run now, as the service that the pipeline knows.
struct DevServer::Current final : protocol::Service {
    explicit Current(services::FunctionCallContext& context_of_calls) : context(context_of_calls) {}

    [[nodiscard]] std::string_view name() const override { return "compute"; }
    [[nodiscard]] async::Task<protocol::Checked<std::unique_ptr<protocol::PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        if (!deployment) {
            co_return protocol::refuse(503, protocol::Status::server_error,
                "the function has not been built yet", "see what decloud dev prints");
        }
        co_return services::make_function_call(context, deployment, std::move(call));
    }

    services::FunctionCallContext& context;
    std::shared_ptr<const services::Deployment> deployment;
    std::uint64_t versions = 0;
};

DevServer::DevServer(async::Executor executor, fs::path folder)
    : executor_(executor),
      folder_(std::move(folder)),
      sandbox_(executor, sandbox_settings(folder_)),
      slow_answers_(executor),
      logs_(executor, system_clock(), {}),
      metrics_(node::make_metrics_registry()),
      run_metrics_(*metrics_),
      context_{executor, sandbox_, slow_answers_, {}, {}, {}, run_metrics_, logs_},
      current_(std::make_shared<Current>(context_)),
      pipeline_(system_clock(), *metrics_) {
    logs_.on_entry([](const services::CallLog& entry) {
        if (const auto text = client::describe_log("dev", services::to_json(entry))) {
            tell(std::string_view(*text).substr(0, text->size() - 1));
        }
    });
    sandbox_.on_server_errors([this](const std::string& cid, std::string_view errors) {
        logs_.keep_server(cid, errors);
    });
    pipeline_.add_service(current_);
}

DevServer::~DevServer() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

Result<std::unique_ptr<DevServer>> DevServer::start(async::Executor executor, std::uint16_t port) {
    TRY(fs::path folder, make_folder());
    std::unique_ptr<DevServer> dev(new DevServer(executor, std::move(folder)));
    TRY(const net::Endpoint endpoint, net::parse_endpoint("127.0.0.1:" + std::to_string(port)));
    TRY(dev->server_, net::http::Server::listen(std::move(executor), endpoint, {},
                          [server = dev.get()](net::http::Exchange exchange) {
                              return server->answer(std::move(exchange));
                          }));
    return dev;
}

async::Task<Result<bool>> DevServer::load(
    client::Project project, protocol::Variables secrets, Bytes package) {
    sandbox::Manifest manifest = services::sandbox_manifest(project.manifest);
    CO_TRY(manifest.egress,
        services::make_egress(executor_, project.manifest.egress,
            {.hosts = project.manifest.egress, .policy = net::OutboundPolicy::trusted()}));
    CO_TRY_VOID(sandbox_.accepts(manifest));
    const auto program = multiformats::Cid::of(multiformats::Codec::raw, package).to_string();
    protocol::Variables variables = project.environment;
    variables.insert(variables.end(), secrets.begin(), secrets.end());
    const auto& old = current_->deployment;
    if (old && *old->program == program && old->variables == variables &&
        old->spec().manifest == project.manifest) {
        co_return false;
    }
    CO_TRY(auto artifact, co_await sandbox_.prepare(program, "dev", std::move(package), manifest));
    protocol::SignedSpec spec{.spec = {.program = multiformats::Cid::parse(program).value(),
                                  .program_key = {},
                                  .manifest = project.manifest,
                                  .environment = project.environment,
                                  .secrets = std::move(secrets),
                                  .terms = {},
                                  .owner_pays = project.owner_pays,
                                  .max_price = {},
                                  .created = system_clock().unix_seconds(),
                                  .owner = {}},
        .signature = {},
        .spec_hash = {}};
    // Servers are told apart by it: those of the version before get no more calls.
    const std::string name = program + "-" + std::to_string(++current_->versions);
    current_->deployment =
        std::make_shared<const services::Deployment>(services::Deployment{.cid = name,
            .signed_spec = std::move(spec),
            .artifact = std::move(artifact),
            .limits = manifest.limits,
            .variables = std::move(variables),
            .program = std::make_shared<const std::string>(program)});
    co_return true;
}

std::string DevServer::url() const { return "http://" + server_->local_endpoint().to_string(); }

async::Task<void> DevServer::answer(net::http::Exchange exchange) {
    auto call = std::make_shared<protocol::Call>();
    call->service = "compute";
    call->method = "call";
    call->head = exchange.request();
    call->path_info = call->head.path();
    call->client = node::client_key(exchange.peer());
    call->content_length = exchange.content_length();
    call->received = system_clock().unix_seconds();
    co_await pipeline_.handle(std::move(exchange), std::move(call));
}

async::Task<void> DevServer::run() { co_await server_->run(); }

async::Task<void> DevServer::stop() {
    if (std::exchange(stopped_, true)) {
        co_return;
    }
    logs_.stop();
    co_await server_->stop(kGrace);
    co_await slow_answers_.stop();
    co_await sandbox_.stop();
}

}  // namespace decloud::cli::internal
