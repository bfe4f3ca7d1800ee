#include "internal/answer_output.hpp"
#include "internal/known_node.hpp"
#include "internal/paying.hpp"
#include "internal/when.hpp"
#include "verbs.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/client/bidding/bidding.hpp>
#include <decloud/client/call.hpp>
#include <decloud/client/error.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/promise_payer.hpp>
#include <decloud/client/quotes.hpp>
#include <decloud/client/request_signer.hpp>
#include <decloud/net/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace decloud::cli {

namespace {

constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 30U;
constexpr std::size_t kMaxRefusal = 64 * kKiB;
constexpr std::uint64_t kLongestPause = 30;
constexpr unsigned kMostTries = 100;
constexpr int kPaymentRequired = 402;
constexpr int kTooMany = 429;
constexpr int kUnavailable = 503;

struct RequestOptions {
    std::string node;
    std::string method;
    std::vector<std::string> args;
    std::string body;
    std::string output;
    std::string pay = "none";
    std::string due = "1h";
    std::string threshold = "0.1";
    std::string bid;
    std::vector<std::string> units;
    unsigned tries = 3;
    bool is_anonymous = false;
    bool is_verbose = false;
    bool continues = false;
    internal::SpendingOptions spending;
};

/// What `--pay defer` promises with.
struct Promising {
    client::PromiseBook book;
    client::PromisePayerSettings settings;
};

struct RequestWork {
    Workspace workspace;
    RequestOptions options;
    std::optional<client::OpenCloudId> id;
    std::unique_ptr<internal::Purse> purse;
    std::unique_ptr<Promising> promising;
    /// Null: one offer, as `--pay` says.
    std::unique_ptr<client::Bidding> bidding;
    /// What may be bid with.
    Amount budget;
    /// How much of which unit is quoted, besides what the request itself tells.
    protocol::UnitCounts units;
    Bytes body;
    const Context& context;
    const Clock& clock;
};

/// One exchange. `refusal` is its body, if it was kept back because something else may follow.
struct Exchanged {
    client::PayableRequest request;
    client::Answer answer;
    bool kept_back = false;
    Bytes refusal;
    crypto::Sha256Digest body_digest;
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

/// Whose answer it is: said, and an error if it was signed by somebody else.
Result<void> check(const RequestWork& work,
    const client::PayableRequest& request,
    const client::Answer& answer,
    const client::NodeFacts& facts,
    const crypto::Sha256Digest& request_content,
    const crypto::Sha256Digest& body) {
    if (work.options.is_anonymous) {
        return {};
    }
    auto checked = client::check_answer_of(facts, request, answer, request_content, body);
    // Refusals before the node knows who asks are not signed.
    if (!checked && checked.error() == make_error_code(CommonError::not_found) &&
        answer.status() >= 400) {
        return {};
    }
    if (!checked) {
        return fail(ClientError::remote, checked.error().detail());
    }
    if (work.options.is_verbose) {
        tell("the answer is signed by " + facts.id);
    }
    return {};
}

void tell_exchange(const RequestWork& work,
    const client::PayableRequest& request,
    const client::Answer& answer,
    const client::NodeFacts& facts) {
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
    if (const auto debt = answer.head().headers.find("OpenCloud-Debt")) {
        tell("debt      " + std::string(*debt));
    }
}

/// The ways to pay for this offer.
std::vector<std::unique_ptr<client::PaymentStrategy>> strategies_for(const RequestWork& work,
    net::http::Client& http,
    client::ChainSession* session,
    const client::NodeFacts& facts,
    const std::optional<client::Bid>& bid) {
    using Kind = client::Bid::Kind;
    std::vector<std::unique_ptr<client::PaymentStrategy>> out;
    if (work.purse && (!bid || bid->kind == Kind::attached)) {
        if (bid) {
            work.purse->max_price = bid->amount;
        }
        return internal::payment_strategies(http, session, *work.purse);
    }
    if (work.promising && (!bid || bid->kind == Kind::deferred)) {
        client::PromisePayerSettings settings = work.promising->settings;
        if (bid) {
            settings.amount = bid->amount;
        }
        settings.provider = facts.audience;
        settings.currency = facts.currency;
        out.push_back(std::make_unique<client::PromisePayer>(
            http, work.promising->book, std::move(settings), work.clock));
    }
    return out;
}

/// Nothing was charged, and it may go better in a while.
bool is_busy(int status) { return status == kTooMany || status == kUnavailable; }

async::Task<Result<Exchanged>> exchange(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const RequestWork& work,
    client::Payer& payer,
    internal::AnswerOutput& output,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::PayableRequest request,
    bool may_retry) {
    bool kept_back = false;
    Bytes refusal;
    crypto::Sha256 hash;
    client::CallSink sink;
    sink.head = [&](const net::http::ResponseHead& head) {
        kept_back = (work.bidding && head.status == kPaymentRequired) ||
                    (may_retry && is_busy(head.status));
        return kept_back ? Result<void>() : output.head(head);
    };
    sink.body = [&](BytesView piece) -> Result<void> {
        hash.update(piece);
        if (!kept_back) {
            return output.body(piece);
        }
        append(refusal, piece.first(std::min(piece.size(), kMaxRefusal - refusal.size())));
        return {};
    };
    CO_TRY(client::Answer answer, co_await client::call(payer, request, std::move(sink)));
    co_return Exchanged{
        std::move(request), std::move(answer), kept_back, std::move(refusal), hash.finish()};
}

/// The rest can still be asked for, of what costs nothing.
bool broke_off(const Error& error) {
    return error == make_error_code(net::NetError::connection_closed) ||
           error == make_error_code(CommonError::timeout);
}

/// How long to wait before the next try: what the node says, else longer each time.
std::chrono::milliseconds pause_before(unsigned attempt, const client::Answer* answer) {
    std::uint64_t seconds = 0;
    const auto told = answer == nullptr ? std::nullopt : answer->head().headers.find("Retry-After");
    if (told) {
        (void)std::from_chars(told->data(), told->data() + told->size(), seconds);
    }
    const auto longer = std::chrono::milliseconds(250) * (1U << std::min(attempt, 6U));
    const auto asked = std::chrono::seconds(std::min(seconds, kLongestPause));
    return std::max<std::chrono::milliseconds>(longer, asked);
}

/// Sends one offer, again while nobody is reached or the node is busy: nothing was paid then.
async::Task<Result<Exchanged>> exchange_patiently(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const RequestWork& work,
    client::Payer& payer,
    internal::AnswerOutput& output,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::PayableRequest request,
    async::Executor executor) {
    for (unsigned attempt = 1;; ++attempt) {
        const bool is_last = attempt >= work.options.tries;
        request.body = client::ReplayBody::of(executor, work.body);
        CO_TRY_VOID(output.ask_for_rest(request.headers));
        auto done = co_await exchange(work, payer, output, request, !is_last);
        const bool again = done ? is_busy(done->answer.status())
                                : client::never_arrived(done.error()) ||
                                      (work.options.continues && broke_off(done.error()));
        if (is_last || !again) {
            co_return done;
        }
        const auto pause = pause_before(attempt, done ? &done->answer : nullptr);
        if (work.options.is_verbose) {
            tell(fmt::format("try {} of {} in {} ms: {}", attempt + 1, work.options.tries,
                pause.count(),
                done ? "HTTP " + std::to_string(done->answer.status()) : done.error().message()));
        }
        co_await async::delay(pause);
    }
}

/// What a 402 says.
client::Declined read_refusal(const Exchanged& done) {
    client::Declined out;
    const auto word = done.answer.head().headers.find("OpenCloud-Status").value_or("");
    if (word.ends_with(".too-low")) {
        out.why = client::Declined::Why::too_low;
    } else if (word.ends_with(".no-defer")) {
        out.why = client::Declined::Why::no_defer;
    }
    const auto value = json::parse(as_text(done.refusal), {.max_bytes = kMaxRefusal});
    const auto rows = value && value->is_object()
                          ? json::array_member(value->as_object(), "acceptable")
                          : Result<json::Array>(json::Array());
    for (const json::Value& row : rows.value_or(json::Array())) {
        const json::Object object = row.is_object() ? row.as_object() : json::Object();
        const auto text = json::string_member(object, "amount");
        const auto amount = text ? parse_amount(*text) : Result<Amount>(fail(text.error()));
        if (amount && json::string_member(object, "type").value_or("") == "attached") {
            out.asked = out.asked ? std::min(*out.asked, *amount) : *amount;
        }
    }
    return out;
}

std::string_view to_text(client::Bid::Kind kind) {
    switch (kind) {
        case client::Bid::Kind::attached:
            return "pay";
        case client::Bid::Kind::deferred:
            return "promise";
        case client::Bid::Kind::nothing:
            break;
    }
    return "pay nothing, at most";
}

/// The node's quote, which the request then names and the first offer is of. One that has none to
/// give is asked for its price by a request without a payment.
async::Task<Result<void>> take_quote(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    RequestWork& work,
    net::http::Client& http,
    const client::KnownNode& node,
    client::PayableRequest& request
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const std::size_t dot = work.options.method.rfind('.');
    const auto quoted = co_await client::ask_quote(http, node,
        {.service = work.options.method.substr(0, dot),
            .method = work.options.method.substr(dot + 1),
            .units = work.units,
            .body_bytes = work.body.size(),
            .signer = request.signer},
        work.clock.unix_seconds());
    if (!quoted) {
        if (work.options.is_verbose) {
            tell("quote     none: " + quoted.error().message());
        }
        co_return work.units.empty() ? Result<void>() : fail(quoted.error());
    }
    if (work.options.is_verbose) {
        tell(fmt::format("quote     {} USDC until {}", format_usdc(quoted->quote.amount),
            format_utc(quoted->quote.expires)));
    }
    request.headers.set("OpenCloud-Quote", protocol::format_quote_header(quoted->text));
    work.bidding = client::make_accept_quote_bidding(work.budget, quoted->quote.amount);
    co_return Result<void>{};
}

/// Offers until one is taken or the strategy gives up.
async::Task<Result<Exchanged>> bid_for(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const RequestWork& work,
    net::http::Client& http,
    internal::AnswerOutput& output,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    client::ChainSession* session,
    client::NodeFacts facts,
    client::PayableRequest request,
    async::Executor executor) {
    std::optional<client::Bid> bid;
    if (work.bidding) {
        bid = work.bidding->first();
    }
    for (;;) {
        if (bid && work.options.is_verbose) {
            tell(fmt::format("bid       {} {} USDC", to_text(bid->kind), format_usdc(bid->amount)));
        }
        client::Payer payer(http, strategies_for(work, http, session, facts, bid));
        CO_TRY(Exchanged done, co_await exchange_patiently(work, payer, output, request, executor));
        if (!bid || done.answer.status() != kPaymentRequired) {
            co_return done;
        }
        // It was not taken, or was not of enough.
        request.headers.remove("OpenCloud-Quote");
        bid = work.bidding->next(*bid, read_refusal(done));
        if (!bid) {
            co_return done;
        }
    }
}

void print_summary(const RequestWork& work, const Exchanged& done, const client::NodeFacts& facts) {
    if (!work.context.globals.json || work.options.output.empty() || work.options.output == "-") {
        return;
    }
    const auto& headers = done.answer.head().headers;
    work.context.print(
        {{"node", facts.name}, {"audience", facts.audience}, {"status", done.answer.status()},
            {"word", std::string(headers.find("OpenCloud-Status").value_or(""))},
            {"receipt", std::string(headers.find("X-Decloud-Receipt").value_or(""))},
            {"output", work.options.output}},
        "");
}

async::Task<Outcome> send(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    RequestWork& work,
    net::http::Client& http,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    async::Executor executor,
    client::ChainSession* session,
    std::string target) {
    CO_TRY(const client::KnownNode node, co_await internal::find_node(work.workspace, http, session,
                                             work.options.node, work.purse != nullptr));
    const client::NodeFacts& facts = node.facts;
    client::PayableRequest request;
    request.method = "POST";
    CO_TRY(request.routes, node.routes(std::move(target)));
    if (work.id) {
        CO_TRY(auto key, crypto::Ed25519PrivateKey::from_seed(work.id->seed.view()));
        request.signer = std::make_shared<client::RequestSigner>(
            std::move(key), facts.audience, work.clock, work.id->credentials());
    }
    if (work.purse) {
        request.provider = node.provider;
    }
    if (work.options.bid == "accept-quote") {
        CO_TRY_VOID(co_await take_quote(work, http, node, request));
    }
    using Existing = internal::AnswerOutput::Existing;
    internal::AnswerOutput output(
        work.options.output, work.options.continues ? Existing::continued : Existing::replaced);
    CO_TRY(const Exchanged done,
        co_await bid_for(work, http, output, session, facts, std::move(request), executor));
    if (done.kept_back) {
        CO_TRY_VOID(output.head(done.answer.head()));
        CO_TRY_VOID(output.body(done.refusal));
    }
    tell_exchange(work, done.request, done.answer, facts);
    CO_TRY_VOID(output.finish());
    if (const auto& reason = done.answer.not_paid()) {
        tell_error(*reason);
    }
    CO_TRY_VOID(
        check(work, done.request, done.answer, facts, crypto::sha256(work.body), done.body_digest));
    print_summary(work, done, facts);
    co_return output.was_whole() ? ExitCode::ok : exit_code_of_status(done.answer.status());
}

Result<std::unique_ptr<Promising>> open_promises(
    const Context& context, const Workspace& workspace, const RequestOptions& options) {
    TRY(const client::SpendingLimits limits,
        internal::spending_limits(workspace, options.spending));
    TRY(const Amount threshold, parse_money(options.threshold));
    const UnixSeconds now = context.clock().unix_seconds();
    TRY(const UnixSeconds due, internal::parse_when(options.due, now));
    if (due <= now) {
        return fail(ClientError::usage, "--due " + options.due + " is over");
    }
    TRY(auto book,
        client::PromiseBook::open(workspace.home.promises_file(), limits, context.clock()));
    return std::make_unique<Promising>(Promising{.book = std::move(book),
        .settings = {.provider = {},
            .node = options.node,
            .currency = {},
            .amount = limits.max_price,
            .time = std::chrono::seconds(due.value - now.value),
            .threshold = threshold}});
}

/// Opens what the offers are paid with.
Result<void> open_means(const Context& context, RequestWork& work) {
    const RequestOptions& options = work.options;
    if (!options.bid.empty()) {
        TRY(const client::SpendingLimits limits,
            internal::spending_limits(work.workspace, options.spending));
        TRY(work.bidding, client::parse_bidding(options.bid, limits.max_price));
        work.budget = limits.max_price;
    }
    for (const std::string& text : options.units) {
        TRY(auto unit, client::parse_unit(text));
        work.units.insert_or_assign(std::move(unit.first), unit.second);
    }
    const bool promises = options.pay == "defer" || options.bid == "defer-first";
    if (options.pay == "attached" || !options.bid.empty()) {
        TRY(work.purse, internal::open_purse(context, work.workspace, options.spending));
    }
    if (promises) {
        if (options.is_anonymous) {
            return fail(ClientError::usage, "nobody promises anonymously: leave --anonymous away");
        }
        TRY(work.promising, open_promises(context, work.workspace, options));
    }
    if (options.pay == "defer") {
        work.bidding = client::make_defer_quoted_bidding(work.promising->settings.amount);
    }
    return {};
}

Outcome request(const Context& context, const RequestOptions& options) {
    TRY(std::string target, target_of(options));
    if (options.tries == 0 || options.tries > kMostTries) {
        return fail(ClientError::usage, "--tries is 1 to 100");
    }
    const bool is_to_file = !options.output.empty() && options.output != "-";
    if (options.continues && (!is_to_file || options.pay != "none" || !options.bid.empty())) {
        return fail_with_help(ClientError::usage,
            "--continue is for an answer that goes to a file and is not paid for",
            "the rest of a paid answer would be paid for again");
    }
    if (!options.units.empty() && options.bid != "accept-quote") {
        return fail(ClientError::usage, "--units is for --bid accept-quote");
    }
    TRY(Workspace workspace, context.open());
    RequestWork work{.workspace = std::move(workspace),
        .options = options,
        .id = std::nullopt,
        .purse = nullptr,
        .promising = nullptr,
        .bidding = nullptr,
        .budget = {},
        .units = {},
        .body = {},
        .context = context,
        .clock = context.clock()};
    if (!options.is_anonymous) {
        TRY(work.id, internal::opencloud_id(context, work.workspace));
    }
    TRY_VOID(open_means(context, work));
    if (!options.body.empty()) {
        TRY(work.body, read_input(options.body, kMaxBody, "pipe the body into the command"));
    }
    return run([&](async::Executor executor) {
        const auto ask = [&, executor](client::ChainSession* session) {
            return with_http(executor, [&, executor, session](net::http::Client& http) {
                return send(work, http, executor, session, std::move(target));
            });
        };
        // A node that is named by its URL is asked without a chain, unless it is to be paid.
        if (internal::is_url(options.node) && !work.purse) {
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
    verb->add_flag("-c,--continue", options->continues,
        "With -o: get what the file has not yet, if the service answers ranges; for what is free");
    verb->add_option("--pay", options->pay,
            "none, attached (now, from your channel or by x402) or "
            "defer (a promise, which decloud daemon keeps)")
        ->check(CLI::IsMember({"none", "attached", "defer"}));
    verb->add_option("--due", options->due, "With --pay defer: when it is paid at the latest")
        ->type_name("TIME");
    verb->add_option("--threshold", options->threshold,
            "With --pay defer: what is owed is paid at once when it comes to that")
        ->type_name("USDC");
    verb->add_option("--bid", options->bid,
            "How offers are made: fixed, accept-quote, raise:STEP%:MAX (USDC) or defer-first")
        ->type_name("STRATEGY")
        ->excludes(verb->get_option("--pay"));
    verb->add_option("--units", options->units,
            "With --bid accept-quote: how much the call may count, such as cpu-second=2; what is "
            "not named is as the request needs it")
        ->type_name("UNIT=COUNT");
    verb->add_option("--tries", options->tries,
            "How often it is sent while nobody is reached or the node is busy; default: 3")
        ->type_name("NUMBER");
    verb->add_flag("--anonymous", options->is_anonymous, "Sign nothing");
    verb->add_flag("-v,--verbose", options->is_verbose, "Show the exchange on standard error");
    internal::add_spending_options(*verb, options->spending,
        "The most this request may cost or promise; default: [spending] of config.toml");
    verb->callback([&context, options] {
        context.action = [&context, options] { return request(context, *options); };
    });
}

}  // namespace decloud::cli
