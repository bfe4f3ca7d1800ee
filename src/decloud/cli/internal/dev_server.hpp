#pragma once

#include "../context.hpp"

#include <decloud/client/project.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/pipeline/pipeline.hpp>
#include <decloud/protocol/deployment.hpp>
#include <decloud/sandbox/sandbox.hpp>
#include <decloud/services/compute/function_call.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace decloud::cli::internal {

/// One function on this machine, run as a provider runs it, but without a chain, payment and a
/// content id. Single threaded; `stop` before destruction.
class DevServer {
  public:
    /// Listens on loopback; port 0: any free one. Errors: the server's.
    [[nodiscard]] static Result<std::unique_ptr<DevServer>> start(
        async::Executor executor, std::uint16_t port);
    ~DevServer();
    DevServer(const DevServer&) = delete;
    DevServer& operator=(const DevServer&) = delete;

    /// From now on calls run this package; those that run already go on. True if it is another one
    /// than before. Errors: as `Sandbox::prepare`; then nothing changes.
    [[nodiscard]] async::Task<Result<bool>> load(
        client::Project project, protocol::Variables secrets, Bytes package);
    /// Where it is called.
    [[nodiscard]] std::string url() const;
    [[nodiscard]] async::Task<void> run();
    [[nodiscard]] async::Task<void> stop();

  private:
    struct Current;
    DevServer(async::Executor executor, std::filesystem::path folder);
    [[nodiscard]] async::Task<void> answer(net::http::Exchange exchange);

    async::Executor executor_;
    std::filesystem::path folder_;
    sandbox::Sandbox sandbox_;
    services::SlowAnswers slow_answers_;
    services::CallLogs logs_;
    std::unique_ptr<metrics::Registry> metrics_;
    services::RunMetrics run_metrics_;
    services::FunctionCallContext context_;
    std::shared_ptr<Current> current_;
    pipeline::Pipeline pipeline_;
    std::unique_ptr<net::http::Server> server_;
    bool stopped_ = false;
};

}  // namespace decloud::cli::internal
