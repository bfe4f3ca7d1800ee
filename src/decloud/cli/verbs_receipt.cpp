#include "verbs.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/receipt.hpp>
#include <decloud/net/url.hpp>
#include <decloud/store/atomic_file.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 30U;

struct ReceiptOptions {
    std::string what;
    std::string provider;
    std::string output;
    std::string method;
    std::string target;
    std::string request;
    std::string response;
    std::string account;
    std::uint64_t lowest_epoch = 0;
};

Result<client::ReceiptExpectation> expectation(const ReceiptOptions& options) {
    client::ReceiptExpectation out;
    out.lowest_epoch = options.lowest_epoch;
    if (!options.account.empty()) {
        TRY(out.provider, parse_address(options.account));
    }
    if (!options.response.empty()) {
        TRY(out.response, store::read_file(options.response, kMaxBody));
    }
    if (!options.target.empty()) {
        const bool has_body = !options.request.empty();
        client::ReceiptRequest request{
            .method = has_body ? "POST" : "GET", .target = options.target, .body = {}};
        if (!options.method.empty()) {
            request.method = options.method;
        }
        if (has_body) {
            TRY(request.body, store::read_file(options.request, kMaxBody));
        }
        out.request = std::move(request);
    } else if (!options.request.empty() || !options.method.empty()) {
        return fail_with_help(ClientError::usage,
            "a request's digest is over its target, too: --target is missing",
            "--target '/bafy…?width=200', as the request line had it");
    }
    return out;
}

void print(const Context& context,
    const client::VerifiedReceipt& receipt,
    const client::ReceiptExpectation& expected) {
    const bool request = expected.request.has_value();
    const bool response = expected.response.has_value();
    context.print({{"valid", true}, {"id", receipt.id}, {"provider", receipt.provider},
                      {"account", to_string(receipt.account)}, {"chain", receipt.chain_id},
                      {"escrow", to_string(receipt.escrow)}, {"signer", receipt.signer},
                      {"epoch", receipt.epoch}, {"payer", receipt.payer}, {"asset", receipt.asset},
                      {"amount", to_string(receipt.amount)}, {"calls", receipt.calls},
                      {"time", receipt.time.value}, {"subject", receipt.subject},
                      {"requestChecked", request}, {"responseChecked", response}},
        fmt::format("valid: {} ({}) charged {} of {} to {} for {} at {}\n"
                    "signed by {}, epoch {}; request {}, answer {}",
            receipt.provider, to_string(receipt.account), to_string(receipt.amount), receipt.asset,
            receipt.payer, receipt.subject, format_utc(receipt.time), receipt.signer, receipt.epoch,
            request ? "compared" : "not compared", response ? "compared" : "not compared"));
}

Outcome verify(const Context& context, const ReceiptOptions& options) {
    TRY(const auto expected, expectation(options));
    TRY(const Bytes text,
        read_input(options.what, client::kMaxReceipt,
            "give the file that decloud receipt get wrote, or - for standard input"));
    auto receipt = client::verify_receipt(as_text(text), expected, context.clock().unix_seconds());
    if (!receipt) {
        return fail(receipt.error().within("the receipt is not valid"));
    }
    print(context, *receipt, expected);
    return ExitCode::ok;
}

/// The id in "/receipts/…" or by itself.
Result<std::string> receipt_id(const std::string& text) {
    std::string id = text.substr(text.rfind('/') + 1);
    if (id.empty() || id.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
        return fail_with_help(ClientError::usage, "\"" + text + "\" is no receipt",
            "the answer's header X-Decloud-Receipt has it");
    }
    return id;
}

async::Task<Outcome> fetch_receipt(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    net::Url url,
    std::string output) {
    CO_TRY(const Bytes text, co_await client::fetch(http, std::move(url), {}, client::kMaxReceipt));
    if (output.empty() || output == "-") {
        CO_TRY_VOID(write_output(text));
    } else {
        CO_TRY_VOID(store::write_file_atomically(output, text));
    }
    co_return ExitCode::ok;
}

Outcome get_by_url(const ReceiptOptions& options) {
    TRY(net::Url url, net::parse_url(options.what));
    return run([&](async::Executor executor) {
        return with_http(executor,
            [&](net::http::Client& http) { return fetch_receipt(http, url, options.output); });
    });
}

Outcome get(const Context& context, const ReceiptOptions& options) {
    if (options.what.starts_with("http://") || options.what.starts_with("https://")) {
        return get_by_url(options);
    }
    TRY(const std::string id, receipt_id(options.what));
    TRY(const Workspace workspace, context.open());
    const std::string& provider =
        options.provider.empty() ? workspace.config.provider.name : options.provider;
    if (provider.empty()) {
        return fail_with_help(ClientError::usage, "nobody says whose receipt it is",
            "decloud receipt get --provider NAME " + id + ", or its whole URL");
    }
    TRY(const auto name, identity::ProviderName::parse(provider));
    return run([&](async::Executor executor) {
        return with_chain(
            executor, workspace.config.chain, [&, executor](client::ChainSession& session) {
                return with_http(executor, [&](net::http::Client& http) -> async::Task<Outcome> {
                    CO_TRY(const auto found, co_await session.find_provider(name));
                    net::Url url = found.url;
                    url.target = "/receipts/" + id;
                    co_return co_await fetch_receipt(http, std::move(url), options.output);
                });
            });
    });
}

}  // namespace

void add_receipt_verbs(CLI::App& app, Context& context) {
    CLI::App* verb = app.add_subcommand("receipt", "What a provider signed about a call");
    verb->require_subcommand(1);
    const auto options = std::make_shared<ReceiptOptions>();
    const auto add = [&](const char* name, const char* help, auto work) {
        CLI::App* inner = verb->add_subcommand(name, help);
        inner->callback([&context, options, work] {
            context.action = [&context, options, work] { return work(context, *options); };
        });
        return inner;
    };
    CLI::App* out = add("get", "Fetch a receipt from its provider",
        [](const Context& given, const ReceiptOptions& what) { return get(given, what); });
    out->add_option("receipt", options->what, "Its URL, its path or its id")->required();
    out->add_option("--provider", options->provider, "Whose; default: this home's own")
        ->type_name("NAME");
    out->add_option("-o,--output", options->output, "Where it goes")->type_name("FILE");
    CLI::App* check = add("verify",
        "Check a receipt, without any network: signature, delegation, request, answer",
        [](const Context& given, const ReceiptOptions& what) { return verify(given, what); });
    check->add_option("file", options->what, "The receipt; - is standard input")->required();
    check->add_option("--target", options->target, "Path and query of the request, as sent");
    check->add_option("-X,--method", options->method, "Its method; default GET, POST with a body");
    check->add_option("--request", options->request, "Its body")->type_name("FILE");
    check->add_option("--response", options->response, "The answer's body")->type_name("FILE");
    check->add_option("--provider-account", options->account, "Whose it has to be")
        ->type_name("ADDRESS");
    check->add_option("--lowest-epoch", options->lowest_epoch,
        "The name's record org.decloud.lowest-epoch: older delegations are refused");
}

}  // namespace decloud::cli
