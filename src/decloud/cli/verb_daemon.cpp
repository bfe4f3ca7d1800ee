#include "internal/debts.hpp"
#include "internal/known_node.hpp"
#include "internal/service_loop.hpp"
#include "verbs.hpp"

#include <decloud/async/event.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <optional>

namespace decloud::cli {

namespace {

/// A promise is paid so long before it is due: there is time to try again.
constexpr std::chrono::seconds kAhead{600};
/// Longer than any promise.
constexpr std::chrono::seconds kAnyTime{std::chrono::years(100)};
constexpr std::uint64_t kMostInterval = 86'400;

struct DaemonOptions {
    std::uint64_t interval = 30;
    bool once = false;
    bool all = false;
};

void tell_outcome(const Context& context, const internal::KeptPromise& kept) {
    if (kept.problem) {
        tell_error(*kept.problem);
        tell("  " + internal::to_text(kept.debt));
        return;
    }
    json::Object row = internal::to_json(kept.debt);
    row["repaid"] = to_string(kept.paid);
    row["receipt"] = kept.receipt;
    context.print(row, fmt::format("paid {} USDC to {}, receipt {}", format_usdc(kept.paid),
                           kept.debt.node, kept.receipt));
}

/// Looks once. True if everything that was to be paid was.
async::Task<Result<bool>> look(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    internal::DebtWork& work,
    std::chrono::seconds ahead) {
    CO_TRY(const auto all, co_await internal::keep_promises(work, ahead));
    bool good = true;
    for (const internal::KeptPromise& kept : all) {
        tell_outcome(work.context, kept);
        good = good && !kept.problem;
    }
    co_return good;
}

Result<internal::DebtWork> open_work(const Context& context,
    async::Executor executor,
    net::http::Client& http,
    client::ChainSession* session) {
    TRY(Workspace workspace, context.open());
    TRY(auto book, client::PromiseBook::open(workspace.home.promises_file(),
                       workspace.config.spending.limits, context.clock()));
    TRY(client::OpenCloudId id, internal::opencloud_id(context, workspace));
    return internal::DebtWork{context, std::move(workspace), std::move(book), std::move(id.seed),
        std::move(executor), http, session};
}

Outcome keep_once(const Context& context, std::chrono::seconds ahead) {
    TRY(const Workspace workspace, context.open());
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(
                    executor, [&, executor](net::http::Client& http) -> async::Task<Outcome> {
                        CO_TRY(auto work, open_work(context, executor, http, &session));
                        CO_TRY(const bool good, co_await look(work, ahead));
                        co_return good ? ExitCode::ok : ExitCode::payment;
                    });
            });
    });
}

/// Keeps promises until it is stopped.
class Daemon {
  public:
    Daemon(const Context& context, async::Executor executor, std::chrono::seconds interval)
        : context_(context),
          executor_(executor),
          interval_(interval),
          http_(client::make_http_client(executor)),
          stopping_(executor) {}

    [[nodiscard]] async::Task<Result<void>> start() {
        CO_TRY(const Workspace workspace, context_.open());
        CO_TRY(session_, co_await client::ChainSession::connect(
                             executor_, {.chain = workspace.config.chain}, context_.clock()));
        CO_TRY(auto work, open_work(context_, executor_, *http_, session_.get()));
        work_ = std::make_unique<internal::DebtWork>(std::move(work));
        tell(fmt::format("keeping promises, looking every {} s", interval_.count()));
        co_return Result<void>{};
    }
    [[nodiscard]] async::Task<void> run() {
        for (;;) {
            if (const auto looked = co_await look(*work_, kAhead); !looked) {
                tell_error(looked.error());
            }
            if (co_await stopping_.wait(interval_)) {
                co_return;
            }
        }
    }
    [[nodiscard]] async::Task<void> stop() {
        stopping_.set();
        co_await http_->stop();
        co_await session_->stop();
    }

  private:
    const Context& context_;
    async::Executor executor_;
    std::chrono::seconds interval_;
    std::unique_ptr<net::http::Client> http_;
    std::unique_ptr<client::ChainSession> session_;
    std::unique_ptr<internal::DebtWork> work_;
    async::Event stopping_;
};

Outcome keep(const Context& context, const DaemonOptions& options) {
    if (options.interval == 0 || options.interval > kMostInterval) {
        return fail(ClientError::usage, "--interval is 1 to 86400 seconds");
    }
    if (options.all && !options.once) {
        return fail(ClientError::usage, "--all is for --once");
    }
    if (options.once) {
        return keep_once(context, options.all ? kAnyTime : kAhead);
    }
    return internal::run_service(
        [&](async::Executor executor) -> async::Task<Result<internal::Service>> {
            auto daemon =
                std::make_shared<Daemon>(context, executor, std::chrono::seconds(options.interval));
            CO_TRY_VOID(co_await daemon->start());
            co_return internal::Service{.run = [daemon] { return daemon->run(); },
                .stop = [daemon] { return daemon->stop(); }};
        });
}

}  // namespace

void add_daemon(CLI::App& app, Context& context) {
    const auto options = std::make_shared<DaemonOptions>();
    CLI::App* verb = app.add_subcommand(
        "daemon", "Pay what this home has promised, when it is due or has come to its threshold");
    verb->add_option("--interval", options->interval, "Between two looks; default: 30")
        ->type_name("SECONDS");
    verb->add_flag("--once", options->once, "Look once; 0 only if all that was to be paid was");
    verb->add_flag("--all", options->all, "With --once: also what is not due yet");
    verb->callback([&context, options] {
        context.action = [&context, options] { return keep(context, *options); };
    });
}

}  // namespace decloud::cli
