#include "internal/paying.hpp"
#include "internal/service_loop.hpp"
#include "verbs.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/pay_proxy.hpp>
#include <decloud/registry/ens.hpp>
#include <decloud/registry/provider_directory.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

namespace decloud::cli {

namespace {

constexpr std::chrono::milliseconds kGrace{5000};

struct PayProxyOptions {
    std::string listen = "127.0.0.1:8403";
    std::string socket;
    internal::SpendingOptions spending;
};

/// The chain with the providers that it knows.
struct Chain {
    Chain(async::Executor executor, std::unique_ptr<client::ChainSession> opened)
        : session(std::move(opened)),
          directory(
              executor, session->ethereum(), session->head(), session->config().contracts.registry),
          names(executor, session->config().ens, directory, system_clock()),
          tasks(executor) {
        tasks.spawn(directory.run());
        tasks.spawn(names.run());
    }

    [[nodiscard]] async::Task<void> stop() {
        co_await names.stop();
        co_await directory.stop();
        tasks.cancel();
        co_await tasks.join();
        co_await session->stop();
    }

    std::unique_ptr<client::ChainSession> session;
    registry::ProviderDirectory directory;
    registry::EnsDirectory names;
    async::TaskGroup tasks;
};

/// A pay-proxy with all that it uses.
class PayProxyService {
  public:
    PayProxyService(async::Executor executor, std::unique_ptr<internal::Purse> purse)
        : executor_(executor),
          purse_(std::move(purse)),
          http_(client::make_http_client(executor)) {}

    [[nodiscard]] async::Task<Result<void>> start(
        client::ChainConfig chain, client::PayProxySettings settings) {
        if (!chain.rpc_urls.empty()) {
            CO_TRY(auto session, co_await client::ChainSession::connect(
                                     executor_, {.chain = std::move(chain)}, system_clock()));
            chain_.emplace(executor_, std::move(session));
        }
        payer_.emplace(*http_, internal::payment_strategies(
                                   *http_, chain_ ? chain_->session.get() : nullptr, *purse_));
        auto proxy = client::PayProxy::start(
            executor_, std::move(settings), *payer_, chain_ ? &chain_->names : nullptr);
        if (!proxy) {
            co_await stop_chain();
            co_return fail(std::move(proxy.error()));
        }
        proxy_ = std::move(*proxy);
        co_return Result<void>{};
    }

    [[nodiscard]] const client::PayProxy& proxy() const { return *proxy_; }
    [[nodiscard]] async::Task<void> run() { return proxy_->run(); }
    [[nodiscard]] async::Task<void> stop() {
        co_await proxy_->stop(kGrace);
        co_await stop_chain();
    }

  private:
    [[nodiscard]] async::Task<void> stop_chain() {
        co_await http_->stop();
        if (chain_) {
            co_await chain_->stop();
        }
    }

    async::Executor executor_;
    std::unique_ptr<internal::Purse> purse_;
    std::unique_ptr<net::http::Client> http_;
    std::optional<Chain> chain_;
    std::optional<client::Payer> payer_;
    std::unique_ptr<client::PayProxy> proxy_;
};

/// The only place where the token is shown.
void tell_ready(const Context& context, const client::PayProxy& proxy, const std::string& socket) {
    const std::string address = proxy.endpoint().to_string();
    const std::string url = fmt::format("http://{}/{}", address, proxy.token());
    context.print(
        {{"url", url}, {"http_proxy", fmt::format("http://pay:{}@{}", proxy.token(), address)},
            {"token", proxy.token()}, {"socket", socket}},
        fmt::format("base URL    {0}\n"
                    "            {0}/p/PROVIDER/CID, {0}/https://HOST/PATH\n"
                    "http_proxy  http://pay:{1}@{2}\nsocket      {3}",
            url, proxy.token(), address, socket));
}

Outcome pay_proxy(const Context& context, const PayProxyOptions& options) {
    TRY(const Workspace workspace, context.open());
    client::PayProxySettings settings;
    TRY(settings.listen, net::parse_endpoint(options.listen));
    if (settings.listen.is_unix()) {
        return fail(ClientError::usage, "--listen is HOST:PORT; a Unix socket is --socket PATH");
    }
    settings.socket =
        options.socket.empty() ? workspace.home.pay_proxy_socket().string() : options.socket;
    settings.gateway_url = workspace.config.gateway.url;
    settings.cache = workspace.home.cache;
    TRY(auto purse, internal::open_purse(context, workspace, options.spending));
    // 0 would only say who calls.
    purse->max_price.reset();
    return internal::run_service(
        [&, purse = std::make_shared<std::unique_ptr<internal::Purse>>(std::move(purse))](
            async::Executor executor) -> async::Task<Result<internal::Service>> {
            const auto service = std::make_shared<PayProxyService>(executor, std::move(*purse));
            CO_TRY_VOID(co_await service->start(workspace.config.chain, settings));
            tell_ready(context, service->proxy(), settings.socket);
            co_return internal::Service{.run = [service] { return service->run(); },
                .stop = [service] { return service->stop(); }};
        });
}

}  // namespace

void add_pay_proxy(CLI::App& app, Context& context) {
    const auto options = std::make_shared<PayProxyOptions>();
    CLI::App* verb = app.add_subcommand("pay-proxy",
        "Pay for what other programs call through this proxy, in the foreground until Ctrl-C");
    verb->add_option("--listen", options->listen, "Where, on loopback; port 0: any free one")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    verb->add_option("--socket", options->socket,
            "A Unix socket (0600), which needs no token; default: in the home")
        ->type_name("PATH");
    internal::add_spending_options(*verb, options->spending,
        "The most that one call may cost; default: [spending] of config.toml");
    verb->callback([&context, options] {
        context.action = [&context, options] { return pay_proxy(context, *options); };
    });
}

}  // namespace decloud::cli
