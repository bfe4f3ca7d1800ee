#include "internal/dev_server.hpp"
#include "internal/service_loop.hpp"
#include "internal/source_watch.hpp"
#include "verbs.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/package.hpp>
#include <decloud/client/secrets.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

namespace decloud::cli {

namespace {

/// So often in a row a build may change what it is made from.
constexpr int kMostBuildsInARow = 3;
/// Before the next ones.
constexpr std::chrono::seconds kPause{2};

struct DevOptions {
    std::string folder = ".";
    std::uint16_t port = 8484;
    std::string command;
};

/// What a build made.
struct Built {
    client::Project project;
    Bytes package;
};

/// Blocks until the build has ended.
Result<Built> build(client::Project project) {
    TRY(Bytes package, client::build_package(project));
    TRY_VOID(client::settle_runtime(project));
    return Built{.project = std::move(project), .package = std::move(package)};
}

/// Runs a shell command in `folder` that finds the function at $DECLOUD_URL. Blocks.
Result<int> run_command(
    const std::filesystem::path& folder, const std::string& command, const std::string& url) {
    const pid_t child = fork();
    if (child < 0) {
        return fail(errno_error("fork"));
    }
    if (child == 0) {
        // What this process ignores, the command would ignore too.
        (void)signal(SIGPIPE, SIG_DFL);
        const bool ready = chdir(folder.c_str()) == 0 && setenv("DECLOUD_URL", url.c_str(), 1) == 0;
        if (ready) {
            execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
        }
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// A project that is served and, as long as `watch` runs, built again when it changes. Single
/// threaded.
class Dev {
  public:
    Dev(async::Executor executor, Workspace workspace, std::filesystem::path folder)
        : executor_(executor),
          workspace_(std::move(workspace)),
          folder_(std::move(folder)),
          tasks_(executor) {}

    /// Error: the server's or the project's.
    [[nodiscard]] Result<void> start(std::uint16_t port) {
        TRY(project_, client::load_project(folder_));
        TRY(server_, internal::DevServer::start(executor_, port));
        return {};
    }
    [[nodiscard]] std::string url() const { return server_->url(); }
    [[nodiscard]] boost::asio::thread_pool& pool() { return pool_; }

    /// Builds what is there; the version before stays if that fails.
    [[nodiscard]] async::Task<Result<bool>> reload() {
        CO_TRY(client::Project project, client::load_project(folder_));
        project_ = project;
        CO_TRY(const auto secrets,
            client::Secrets::load(workspace_.home.secrets(), project.manifest.name));
        CO_TRY(Built built, co_await async::offload(
                                pool_, [project = std::move(project)] { return build(project); }));
        co_return co_await server_->load(
            std::move(built.project), secrets.variables(), std::move(built.package));
    }

    [[nodiscard]] async::Task<void> serve() { co_await server_->run(); }

    [[nodiscard]] async::Task<void> run() {
        tasks_.spawn(watch());
        co_await server_->run();
    }

    [[nodiscard]] async::Task<void> stop() {
        tasks_.cancel();
        co_await tasks_.join();
        co_await server_->stop();
        pool_.join();
    }

  private:
    [[nodiscard]] async::Task<void> watch() {
        auto watch = internal::SourceWatch::open(executor_);
        if (!watch) {
            tell_error(watch.error());
        }
        for (int in_a_row = 1;; ++in_a_row) {
            internal::SourceState before = internal::read_sources(project_);
            tell_outcome(co_await reload());
            if (!watch) {
                co_return;
            }
            internal::SourceState after = internal::read_sources(project_);
            if (after != before) {
                if (in_a_row >= kMostBuildsInARow) {
                    in_a_row = 0;
                    co_await async::delay(kPause);
                }
                continue;
            }
            in_a_row = 0;
            co_await watch->wait_for_change(project_, std::move(after));
        }
    }

    void tell_outcome(const Result<bool>& loaded) const {
        if (!loaded) {
            tell_error(loaded.error());
            tell("waiting for a change; what was built before still answers");
        } else if (*loaded) {
            tell(fmt::format("{} is ready at {}", project_.manifest.name, url()));
        }
    }

    async::Executor executor_;
    Workspace workspace_;
    std::filesystem::path folder_;
    boost::asio::thread_pool pool_{2};
    client::Project project_;
    std::unique_ptr<internal::DevServer> server_;
    async::TaskGroup tasks_;
};

Outcome serve(const Context& context, const DevOptions& options) {
    TRY(Workspace workspace, context.open());
    return internal::run_service(
        [&](async::Executor executor) -> async::Task<Result<internal::Service>> {
            const auto dev = std::make_shared<Dev>(executor, workspace, options.folder);
            CO_TRY_VOID(dev->start(options.port));
            context.print({{"url", dev->url()}}, dev->url());
            co_return internal::Service{
                .run = [dev] { return dev->run(); }, .stop = [dev] { return dev->stop(); }};
        });
}

/// Serves the function for as long as one command runs.
async::Task<Outcome> serve_command(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Dev& dev,
    DevOptions options,
    async::Executor executor) {
    CO_TRY_VOID(co_await dev.reload());
    async::TaskGroup serving(executor);
    serving.spawn(dev.serve());
    const auto code = co_await async::offload(
        dev.pool(), [&] { return run_command(options.folder, options.command, dev.url()); });
    co_await dev.stop();
    co_await serving.join();
    CO_TRY(const int ended, code);
    if (ended != 0) {
        co_return fail(
            ClientError::command, fmt::format("{} ended with status {}", options.command, ended));
    }
    co_return ExitCode::ok;
}

Outcome dev(const Context& context, const DevOptions& options) {
    if (options.command.empty()) {
        return serve(context, options);
    }
    TRY(Workspace workspace, context.open());
    return run([&](async::Executor executor) -> async::Task<Outcome> {
        Dev dev(executor, workspace, options.folder);
        CO_TRY_VOID(dev.start(options.port));
        auto outcome = co_await serve_command(dev, options, executor);
        co_await dev.stop();
        co_return outcome;
    });
}

}  // namespace

void add_dev(CLI::App& app, Context& context) {
    const auto options = std::make_shared<DevOptions>();
    CLI::App* verb = app.add_subcommand("dev",
        "Run a function here, in the provider's sandbox, without a chain; builds it again when its "
        "sources change, until Ctrl-C");
    verb->add_option("folder", options->folder, "The folder with decloud.toml")
        ->capture_default_str();
    verb->add_option("--port", options->port, "Where, on loopback; 0: any free one")
        ->capture_default_str();
    verb->add_option("--run", options->command,
            "Run this shell command in the folder once the function answers, at $DECLOUD_URL, and "
            "end with it")
        ->type_name("COMMAND");
    verb->callback([&context, options] {
        context.action = [&context, options] { return dev(context, *options); };
    });
}

}  // namespace decloud::cli
