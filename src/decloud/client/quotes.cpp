#include "quotes.hpp"

#include "call.hpp"
#include "error.hpp"
#include "http.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>

#include <charconv>
#include <utility>
#include <variant>

namespace decloud::client {

namespace {

constexpr std::size_t kMaxAnswer = 256 * kKiB;

/// The answer's JSON; what is not 200 is an error with what it says.
async::Task<Result<std::string>> ask(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    const KnownNode& node,
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
    std::shared_ptr<RequestSigner> signer,
    std::string target) {
    PayableRequest request;
    request.method = "POST";
    CO_TRY(request.routes, node.routes(std::move(target)));
    request.signer = std::move(signer);
    Bytes body;
    Payer payer(http, {});
    CO_TRY(const Answer answer,
        co_await call(payer, std::move(request), collect_into(body, kMaxAnswer)));
    if (answer.status() != 200) {
        const std::string type(answer.head().headers.find("Content-Type").value_or(""));
        co_return fail(remote_error(answer.status(), type, body));
    }
    co_return std::string(as_text(body));
}

/// What is not named and the request itself tells.
Result<void> add_units(std::string_view methods, QuoteWanted& wanted) {
    TRY(const json::Value value, json::parse(methods, {.max_bytes = kMaxAnswer}));
    const json::Object answer = value.is_object() ? value.get_object() : json::Object();
    TRY(const json::Array rows, json::array_member(answer, "methods"));
    for (const json::Value& row : rows) {
        const json::Object method = row.is_object() ? row.get_object() : json::Object();
        if (json::string_member(method, "name").value_or("") != wanted.method) {
            continue;
        }
        TRY(const json::Object price, json::object_member(method, "price"));
        TRY(const json::Object rates, json::object_member(price, "perUnit"));
        if (rates.contains("request-kib")) {
            wanted.units.emplace("request-kib", (wanted.body_bytes + kKiB - 1) / kKiB);
        }
        return {};
    }
    return fail(CommonError::invalid_input, "the node has no method \"" + wanted.method + "\"");
}

Result<protocol::Quote> check(
    std::string_view text, const KnownNode& node, const QuoteWanted& wanted, UnixSeconds now) {
    TRY(const identity::DidKey id, identity::parse_did_key(node.facts.id));
    const auto* key = std::get_if<crypto::Ed25519PublicKey>(&id);
    if (key == nullptr) {
        return fail(CommonError::invalid_input, "the node's id signs no quotes");
    }
    TRY(protocol::Quote quote, protocol::parse_quote(text, *key));
    const bool fits = quote.provider == node.facts.audience && quote.service == wanted.service &&
                      quote.method == wanted.method && quote.expires > now;
    if (!fits) {
        return fail(CommonError::invalid_input, "the node's quote is of something else");
    }
    return quote;
}

}  // namespace

async::Task<Result<SignedQuote>> ask_quote(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& http,
    KnownNode node,
    QuoteWanted wanted,
    UnixSeconds now) {
    const std::string service = "/oc/v1/" + percent_encode(wanted.service) + "/";
    CO_TRY(const std::string methods, co_await ask(http, node, wanted.signer, service + "methods"));
    CO_TRY_VOID(add_units(methods, wanted));
    std::string target = service + "quote?arg=" + percent_encode(wanted.method);
    for (const auto& [unit, count] : wanted.units) {
        target += "&arg=" + percent_encode(unit + "=" + std::to_string(count));
    }
    CO_TRY(std::string text, co_await ask(http, node, wanted.signer, std::move(target)));
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    CO_TRY(protocol::Quote quote, check(text, node, wanted, now));
    co_return SignedQuote{.quote = std::move(quote), .text = std::move(text)};
}

Result<std::pair<std::string, std::uint64_t>> parse_unit(std::string_view text) {
    const std::size_t equals = text.find('=');
    std::uint64_t count = 0;
    if (equals != std::string_view::npos && equals > 0 && equals + 1 < text.size()) {
        const std::string_view digits = text.substr(equals + 1);
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), count);
        if (read.ec == std::errc() && read.ptr == digits.data() + digits.size()) {
            return std::pair(std::string(text.substr(0, equals)), count);
        }
    }
    return fail_with_help(ClientError::usage, "\"" + std::string(text) + "\" is no UNIT=COUNT",
        "decloud request NODE SERVICE.info tells its units");
}

}  // namespace decloud::client
