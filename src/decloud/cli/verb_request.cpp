#include "internal/answer_output.hpp"
#include "internal/paying.hpp"
#include "verbs.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/client/call.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/request_signer.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 30U;
constexpr std::uint64_t kMaxWellKnown = 256 * kKiB;
constexpr const char* kWellKnown = "/.well-known/decloud";

struct RequestOptions {
    std::string node;
    std::string method;
    std::vector<std::string> args;
    std::string body;
    std::string output;
    std::string pay = "none";
    bool is_anonymous = false;
    bool is_verbose = false;
    internal::SpendingOptions spending;
};

/// What the node says of itself.
struct NodeFacts {
    std::string name;
    std::string audience;
    std::string id;
};

struct RequestWork {
    Workspace workspace;
    RequestOptions options;
    std::optional<crypto::Ed25519PrivateKey> key;
    std::unique_ptr<internal::Purse> purse;
    const Clock& clock;
};

/// "/oc/v1/{service}/{method}?arg=…"; a service's name may have dots.
Result<std::string> target_of(const RequestOptions& options) {
    const std::size_t dot = options.method.rfind('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == options.method.size()) {
        return fail_with_help(ClientError::usage, "\"" + options.method + "\" is no SERVICE.METHOD",
            "decloud request NODE info.info tells what the node offers");
    }
    std::string target = "/oc/v1/" + percent_encode(options.method.substr(0, dot)) + "/" +
                         percent_encode(options.method.substr(dot + 1));
    for (std::size_t i = 0; i < options.args.size(); ++i) {
        target += (i == 0 ? "?arg=" : "&arg=") + percent_encode(options.args[i]);
    }
    return target;
}

bool is_url(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

/// The routes to `path` at the node that was named: a URL, or a provider's name.
async::Task<Result<std::vector<client::RequestRoute>>> find_routes(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const RequestWork& work,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession* session,
    std::string path) {
    const std::string& node = work.options.node;
    if (session == nullptr || is_url(node)) {
        CO_TRY(net::Url url, net::parse_url(node));
        std::string base = url.target;
        while (base.ends_with('/')) {
            base.pop_back();
        }
        co_return std::vector{
            client::RequestRoute{.url = url, .target = base + path, .name = url.authority()}};
    }
    CO_TRY(const auto name, identity::ProviderName::parse(node));
    CO_TRY(const registry::Provider provider, co_await session->find_provider(name));
    co_return client::routes_to(work.workspace.config.gateway.url, provider, path);
}

/// From whichever of the routes answers first.
async::Task<Result<NodeFacts>> ask_node(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    std::vector<client::RequestRoute> routes) {
    Result<Bytes> text = fail(CommonError::not_found);
    for (const client::RequestRoute& route : routes) {
        net::http::ClientRequest request;
        request.target = route.target;
        text = co_await client::fetch(http, route.url, std::move(request), kMaxWellKnown);
        if (text || !client::never_arrived(text.error())) {
            break;
        }
    }
    if (!text) {
        co_return fail(text.error().within("ask the node who it is"));
    }
    CO_TRY(const json::Value value, json::parse(as_text(*text), {.max_bytes = kMaxWellKnown}));
    const auto object = value.is_object() ? value.as_object() : json::Object();
    CO_TRY(const json::Object provider, json::object_member(object, "provider"));
    CO_TRY(const json::Object node, json::object_member(object, "node"));
    NodeFacts facts;
    CO_TRY(facts.name, json::string_member(provider, "name"));
    CO_TRY(facts.audience, json::string_member(provider, "audience"));
    CO_TRY(facts.id, json::string_member(node, "id"));
    co_return facts;
}

/// Whose answer it is: said, and an error if it was signed by somebody else.
Result<void> check(const RequestWork& work,
    const client::PayableRequest& request,
    const client::Answer& answer,
    const NodeFacts& facts,
    crypto::Sha256Digest request_content,
    const crypto::Sha256Digest& body) {
    if (work.options.is_anonymous) {
        return {};
    }
    Result<void> checked = fail(CommonError::not_found);
    // Whichever route it went by.
    for (const client::RequestRoute& route : request.routes) {
        checked = client::check_answer(answer.head(), answer.trailers(), body,
            {.method = request.method,
                .target = route.target,
                .request_content = request_content,
                .audience = facts.audience,
                .node_id = facts.id});
        if (checked || checked.error() == make_error_code(CommonError::not_found)) {
            break;
        }
    }
    if (!checked && checked.error() == make_error_code(CommonError::not_found)) {
        // Refusals before the node knows who asks are not signed.
        return answer.status() >= 400 ? Result<void>() : checked;
    }
    if (checked && work.options.is_verbose) {
        tell("the answer is signed by " + facts.id);
    }
    return checked;
}

void tell_exchange(const RequestWork& work,
    const client::PayableRequest& request,
    const client::Answer& answer,
    const NodeFacts& facts) {
    if (!work.options.is_verbose) {
        return;
    }
    tell("node      " + facts.name + ", " + facts.audience);
    tell("you       " + (request.signer ? request.signer->id() : std::string("nobody")));
    tell("request   POST " + request.routes.front().target);
    tell(fmt::format("answer    {} {}", answer.status(),
        answer.head().headers.find("OpenCloud-Status").value_or("")));
    if (const auto receipt = answer.head().headers.find("X-Decloud-Receipt")) {
        tell("receipt   " + std::string(*receipt));
    }
}

async::Task<Outcome> send(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const RequestWork& work,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    async::Executor executor,
    client::ChainSession* session,
    std::string target,
    Bytes body) {
    CO_TRY(auto known, co_await find_routes(work, session, kWellKnown));
    CO_TRY(const NodeFacts facts, co_await ask_node(http, std::move(known)));
    client::PayableRequest request;
    request.method = "POST";
    const crypto::Sha256Digest content = crypto::sha256(body);
    request.body = client::ReplayBody::of(executor, std::move(body));
    CO_TRY(request.routes, co_await find_routes(work, session, std::move(target)));
    if (work.key) {
        CO_TRY(auto key, crypto::Ed25519PrivateKey::from_seed(work.key->seed()));
        request.signer =
            std::make_shared<client::RequestSigner>(std::move(key), facts.audience, work.clock);
    }
    if (work.purse && session != nullptr) {
        CO_TRY(const auto name, identity::ProviderName::parse(facts.name));
        CO_TRY(request.provider, co_await session->find_provider(name));
    }
    if (work.options.pay == "defer") {
        request.headers.set("OpenCloud-Payment", "defer");
    }
    client::Payer payer(http, work.purse ? internal::payment_strategies(http, session, *work.purse)
                                         : std::vector<std::unique_ptr<client::PaymentStrategy>>{});
    internal::AnswerOutput output(work.options.output);
    crypto::Sha256 hash;
    CO_TRY(const client::Answer answer,
        co_await client::call(payer, request,
            {.head = [&](const net::http::ResponseHead& head) { return output.head(head); },
                .body =
                    [&](BytesView piece) {
                        hash.update(piece);
                        return output.body(piece);
                    }}));
    tell_exchange(work, request, answer, facts);
    CO_TRY_VOID(output.finish());
    if (const auto& reason = answer.not_paid()) {
        tell_error(*reason);
    }
    CO_TRY_VOID(check(work, request, answer, facts, content, hash.finish()));
    co_return exit_code_of_status(answer.status());
}

Outcome request(const Context& context, const RequestOptions& options) {
    TRY(std::string target, target_of(options));
    TRY(Workspace workspace, context.open());
    RequestWork work{.workspace = std::move(workspace),
        .options = options,
        .key = std::nullopt,
        .purse = nullptr,
        .clock = context.clock()};
    if (!options.is_anonymous) {
        TRY(identity::KeyStore keys, context.keys(work.workspace));
        TRY(const crypto::Secret seed, keys.mac_key("opencloud-id"));
        TRY(work.key, crypto::Ed25519PrivateKey::from_seed(seed.view()));
    }
    if (options.pay == "attached") {
        TRY(work.purse, internal::open_purse(context, work.workspace, options.spending));
    }
    Bytes body;
    if (!options.body.empty()) {
        TRY(body, read_input(options.body, kMaxBody, "pipe the body into the command"));
    }
    return run([&](async::Executor executor) {
        const auto ask = [&, executor](client::ChainSession* session) {
            return with_http(executor, [&, executor, session](net::http::Client& http) {
                return send(work, http, executor, session, std::move(target), std::move(body));
            });
        };
        // A node that is named by its URL is asked without a chain, unless it is to be paid.
        if (is_url(options.node) && !work.purse) {
            return ask(nullptr);
        }
        return with_chain(executor, work.workspace.config.chain,
            [ask](client::ChainSession& session) { return ask(&session); });
    });
}

}  // namespace

void add_request(CLI::App& app, Context& context) {
    const auto options = std::make_shared<RequestOptions>();
    CLI::App* verb = app.add_subcommand(
        "request", "Ask a service of a node, signed by this home's OpenCloud id");
    verb->add_option("node", options->node, "A provider's name, or a node's URL")->required();
    verb->add_option("method", options->method, "SERVICE.METHOD, such as info.info")->required();
    verb->add_option("args", options->args, "Arguments");
    verb->add_option("--body", options->body, "What is sent; - is standard input")
        ->type_name("FILE");
    verb->add_option("-o,--output", options->output, "Where the answer goes")->type_name("FILE");
    verb->add_option("--pay", options->pay,
            "none, attached (now, from your channel or by x402) or "
            "defer (a promise)")
        ->check(CLI::IsMember({"none", "attached", "defer"}));
    verb->add_flag("--anonymous", options->is_anonymous, "Sign nothing");
    verb->add_flag("-v,--verbose", options->is_verbose, "Show the exchange on standard error");
    internal::add_spending_options(*verb, options->spending,
        "With --pay attached: the most this request may cost; default: [spending] of config.toml");
    verb->callback([&context, options] {
        context.action = [&context, options] { return request(context, *options); };
    });
}

}  // namespace decloud::cli
