#include "promise_payer.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/protocol/structured_fields.hpp>

#include <utility>
#include <variant>

namespace decloud::client {

namespace {

constexpr std::size_t kKeyBytes = 16;

/// What `OpenCloud-Debt` says of this id's debt.
struct ToldDebt {
    Amount owed;
    std::optional<UnixSeconds> due;
};

std::optional<ToldDebt> read_debt(
    const net::http::Headers& fields, const protocol::Promise& promise) {
    const auto field = fields.find("OpenCloud-Debt");
    const auto item =
        field ? protocol::parse_item(*field) : Result<protocol::Item>(fail(CommonError::not_found));
    const auto* owed = item ? std::get_if<std::int64_t>(&item->value) : nullptr;
    if (owed == nullptr || *owed < 0 || item->string_parameter("id") != promise.id ||
        item->string_parameter("currency") != promise.currency.text) {
        return std::nullopt;
    }
    ToldDebt out{.owed = Amount(static_cast<Uint128>(*owed)), .due = {}};
    if (const auto* due = protocol::find_parameter<std::int64_t>(item->parameters, "due")) {
        out.due = UnixSeconds{static_cast<std::uint64_t>(*due)};
    }
    return out;
}

/// The node itself declined before it ran anything. A function's own 404 and a gateway's 502 may
/// have been charged.
bool is_refusal(const net::http::ResponseHead& head) {
    const auto word = head.headers.find("OpenCloud-Status").value_or("");
    return head.status >= 400 && !head.headers.contains("X-Decloud-Receipt") &&
           (word.starts_with("request-declined") || word.starts_with("client-error"));
}

}  // namespace

async::Task<Result<bool>> PromisePayer::can_pay(PayableRequest request) {
    co_return request.signer != nullptr;
}

async::Task<Result<Answer>> PromisePayer::send(PayableRequest request, RequestRoute route) {
    const protocol::Promise promise{.id = request.signer->id(),
        .amount = settings_.amount,
        .currency = settings_.currency,
        .due = {clock_.unix_seconds().value + static_cast<std::uint64_t>(settings_.time.count())},
        .threshold = settings_.threshold,
        .key = to_hex(crypto::random_array<kKeyBytes>())};
    CO_TRY(const std::string field, protocol::format_promise(promise));
    CO_TRY_VOID(book_.make(settings_.provider, settings_.node, promise));
    auto response = co_await send_once(
        client_, std::move(request), std::move(route), {{"OpenCloud-Payment", field}});
    if (!response) {
        if (never_arrived(response.error())) {
            CO_TRY_VOID(book_.returned(settings_.provider, promise));
        }
        co_return fail(std::move(response.error()));
    }
    Answer answer(std::move(*response));
    if (answer.head().headers.contains("OpenCloud-Debt") || is_refusal(answer.head())) {
        record(promise, answer.head().headers, is_refusal(answer.head()));
    } else {
        answer.on_end([this, promise](const net::http::Headers& trailers) {
            record(promise, trailers, false);
        });
    }
    co_return answer;
}

void PromisePayer::record(
    const protocol::Promise& promise, const net::http::Headers& fields, bool was_refused) {
    Result<void> written;
    if (const auto told = read_debt(fields, promise)) {
        const DebtKey key{
            .provider = settings_.provider, .id = promise.id, .currency = promise.currency};
        written = book_.note_owed(key, told->owed, told->due);
    } else if (was_refused) {
        written = book_.returned(settings_.provider, promise);
    }
    if (!written) {
        log::warning("client", "what is owed to {} is not on disk: {}", settings_.provider,
            written.error().message());
    }
}

}  // namespace decloud::client
