#include "internal/answer_output.hpp"
#include "internal/paying.hpp"
#include "verbs.hpp"

#include <decloud/client/call.hpp>
#include <decloud/client/deployments.hpp>
#include <decloud/client/error.hpp>
#include <decloud/multiformats/cid.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 30U;

struct CallOptions {
    std::string target;
    std::string provider;
    std::string method;
    std::vector<std::string> headers;
    std::string data;
    std::string binary_data;
    std::string output;
    bool pay = false;
    internal::SpendingOptions spending;
};

/// What is called: a cid, what follows it, and the provider's name.
struct Target {
    std::string cid;
    std::string suffix;
    std::string provider;
};

Result<Target> find_target(const Workspace& workspace, const CallOptions& options) {
    const std::size_t end = std::min(options.target.find_first_of("/?"), options.target.size());
    const std::string function = options.target.substr(0, end);
    Target out{.cid = function, .suffix = options.target.substr(end), .provider = options.provider};
    TRY(const auto deployments, client::Deployments::load(workspace.home.deployments_file()));
    if (const auto match = deployments.resolve(function)) {
        out.cid = match->version.cid;
        if (out.provider.empty() && !match->version.providers.empty()) {
            out.provider = match->version.providers.front();
        }
        return out;
    }
    if (!multiformats::Cid::parse(function)) {
        return std::unexpected(deployments.resolve(function).error());
    }
    if (out.provider.empty()) {
        return fail_with_help(ClientError::usage,
            "this home has not deployed " + function + ", so it does not know who runs it",
            "decloud call --provider NAME " + options.target);
    }
    return out;
}

/// curl's `-d`: the text itself, or `@file` without its line ends; `--data-binary` keeps them.
Result<Bytes> read_data(const CallOptions& options) {
    const std::string& text = options.binary_data.empty() ? options.data : options.binary_data;
    if (!text.starts_with('@')) {
        return to_bytes(std::string_view(text));
    }
    TRY(Bytes content, read_input(text.substr(1), kMaxBody, "pipe the body into the command"));
    if (options.binary_data.empty()) {
        std::erase_if(content, [](std::uint8_t byte) { return byte == '\n' || byte == '\r'; });
    }
    return content;
}

/// The request's method, headers and body.
Result<client::PayableRequest> make_request(
    const async::Executor& executor, const CallOptions& options) {
    client::PayableRequest request;
    TRY(Bytes body, read_data(options));
    const bool has_data = !options.data.empty() || !options.binary_data.empty();
    request.method = !options.method.empty() ? options.method : has_data ? "POST" : "GET";
    if (!body.empty() || request.method == "POST" || request.method == "PUT") {
        request.body = client::ReplayBody::of(executor, std::move(body));
    }
    if (has_data) {
        request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    }
    for (const std::string& line : options.headers) {
        const std::size_t colon = line.find(':');
        const std::string name = line.substr(0, colon);
        std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
        value.erase(0, value.find_first_not_of(' '));
        if (colon == std::string::npos || !net::http::is_valid_field(name, value)) {
            return fail(ClientError::usage, "\"" + line + "\" is not a header: Name: value");
        }
        request.headers.set(name, value);
    }
    return request;
}

struct CallWork {
    Workspace workspace;
    CallOptions options;
    std::unique_ptr<internal::Purse> purse;
};

async::Task<Outcome> send(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const CallWork& work,
    client::ChainSession* session,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::PayableRequest request) {
    client::Payer payer(http, work.purse ? internal::payment_strategies(http, session, *work.purse)
                                         : std::vector<std::unique_ptr<client::PaymentStrategy>>{});
    internal::AnswerOutput output(work.options.output);
    CO_TRY(const client::Answer answer,
        co_await client::call(payer, std::move(request),
            {.head = [&](const net::http::ResponseHead& head) { return output.head(head); },
                .body = [&](BytesView body) { return output.body(body); }}));
    CO_TRY_VOID(output.finish());
    if (const auto& reason = answer.not_paid()) {
        tell_error(*reason);
    }
    co_return exit_code_of_status(answer.status());
}

/// A function of one of our providers.
async::Task<Outcome> call_provider(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const CallWork& work,
    client::ChainSession& session,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Target target) {
    CO_TRY(const auto name, identity::ProviderName::parse(target.provider));
    CO_TRY(registry::Provider provider, co_await session.find_provider(name));
    CO_TRY(client::PayableRequest request, make_request(session.executor(), work.options));
    CO_TRY(request.routes, client::routes_to(work.workspace.config.gateway.url, provider,
                               "/" + target.cid + target.suffix));
    request.provider = std::move(provider);
    co_return co_await send(work, &session, http, std::move(request));
}

/// Any server.
async::Task<Outcome> call_url(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const CallWork& work,
    async::Executor executor,
    net::http::Client& http
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    CO_TRY(const net::Url url, net::parse_url(work.options.target));
    CO_TRY(client::PayableRequest request, make_request(executor, work.options));
    request.routes.push_back({.url = url, .target = url.target, .name = url.authority()});
    co_return co_await send(work, nullptr, http, std::move(request));
}

bool is_url(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

Outcome call(const Context& context, const CallOptions& options) {
    TRY(Workspace workspace, context.open());
    CallWork work{.workspace = std::move(workspace), .options = options, .purse = nullptr};
    std::optional<Target> target;
    if (!is_url(options.target)) {
        TRY(target, find_target(work.workspace, options));
    }
    if (options.pay) {
        TRY(work.purse, internal::open_purse(context, work.workspace, options.spending));
    }
    return run([&](async::Executor executor) {
        if (!target) {
            return with_http(executor, [&work, executor](net::http::Client& http) {
                return call_url(work, executor, http);
            });
        }
        return with_chain(executor, work.workspace.config.chain,
            [&work, &target, executor](client::ChainSession& session) {
                return with_http(executor, [&work, &session, &target](net::http::Client& http) {
                    return call_provider(work, session, http, *target);
                });
            });
    });
}

}  // namespace

void add_call(CLI::App& app, Context& context) {
    const auto options = std::make_shared<CallOptions>();
    CLI::App* verb = app.add_subcommand(
        "call", "Call a function by the gateway, or by its provider if that is away; or a URL");
    verb->add_option(
            "function", options->target, "NAME or CID, with /path and ?query; or any http(s) URL")
        ->required();
    verb->add_option("--provider", options->provider, "Who runs it")->type_name("NAME");
    verb->add_option("-X,--request", options->method, "The method; default GET, POST with data");
    verb->add_option("-H,--header", options->headers, "\"Name: value\"; may be repeated")
        ->allow_extra_args(false);
    verb->add_option("-d,--data", options->data, "The body, or @FILE without its line ends");
    verb->add_option("--data-binary", options->binary_data, "The body, or @FILE as it is");
    verb->add_option("-o,--output", options->output, "Where the answer goes")->type_name("FILE");
    verb->add_flag("--pay", options->pay,
        "Pay for it yourself: from your channel with the provider, or any server by x402");
    internal::add_spending_options(*verb, options->spending,
        "With --pay: the most this call may cost; default: [spending] of config.toml. 0 only says "
        "who calls, for a function whose owner pays for you");
    verb->callback([&context, options] {
        context.action = [&context, options] { return call(context, *options); };
    });
}

}  // namespace decloud::cli
