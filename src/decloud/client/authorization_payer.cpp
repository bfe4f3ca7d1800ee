#include "authorization_payer.hpp"

#include "deploy.hpp"
#include "error.hpp"
#include "x402_payer.hpp"

#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <utility>

namespace decloud::client {

namespace {

constexpr auto kAskAgain = std::chrono::seconds(5);
/// As long as what `authorize` signs.
constexpr std::uint64_t kValidity = 300;
constexpr int kPaymentRequired = 402;

}  // namespace

async::Task<Result<std::optional<Amount>>> AuthorizationPayer::price_with(Address provider) {
    const auto now = std::chrono::steady_clock::now();
    if (const auto found = known_.find(provider);
        found != known_.end() && now - found->second.when < kAskAgain) {
        co_return found->second.price;
    }
    CO_TRY(const auto channel, co_await session_.escrow().allowance(key_.address(), provider));
    Known known{.price = {}, .when = now};
    if (channel) {
        known.price = channel->price;
    }
    known_[provider] = known;
    co_return known.price;
}

async::Task<Result<bool>> AuthorizationPayer::can_pay(PayableRequest request) {
    if (!request.provider) {
        co_return false;
    }
    if (max_price_ && max_price_->is_zero()) {
        co_return true;
    }
    CO_TRY(const auto price, co_await price_with(request.provider->address));
    co_return price.has_value();
}

Result<std::int64_t> AuthorizationPayer::book(const PayableRequest& request,
    const RequestRoute& route,
    const Address& provider,
    Amount amount,
    UnixSeconds now) {
    // The authorisation's own nonce is made when it is signed; this only names the row.
    Bytes32 name;
    name.bytes = crypto::random_array<Bytes32::kSize>();
    return book_.book({.method = "authorization",
        .account = key_.address(),
        .provider = payee_name(request, route),
        .pay_to = provider,
        .resource = resource_name(route),
        .asset = TokenId{session_.config().chain_id, session_.config().contracts.usdc}.to_string(),
        .amount = amount,
        .nonce = name,
        .valid_before = {now.value + kValidity}});
}

async::Task<Result<Answer>> AuthorizationPayer::send(PayableRequest request, RequestRoute route) {
    if (!request.provider) {
        co_return fail(ClientError::payment, "only providers of the registry have channels");
    }
    const Address provider = request.provider->address;
    Amount amount = max_price_.value_or(Amount{});
    if (!max_price_) {
        CO_TRY(const auto price, co_await price_with(provider));
        amount = price.value_or(Amount{});
    }
    crypto::Sha256Digest digest = crypto::sha256(BytesView{});
    if (request.body) {
        CO_TRY(digest, co_await request.body->digest());
    }
    const UnixSeconds now = clock_.unix_seconds();
    std::optional<std::int64_t> id;
    if (!amount.is_zero()) {
        CO_TRY(id, book(request, route, provider, amount, now));
    }
    CO_TRY(const std::string payment, authorize({.method = request.method,
                                                    .target = route.target,
                                                    .content_digest = digest,
                                                    .provider = provider,
                                                    .max_price = amount},
                                          key_, session_.domain(), now));
    auto response = co_await send_once(client_, std::move(request), std::move(route),
        {{"Content-Digest", protocol::format_content_digest(digest)},
            {"OpenCloud-Payment", payment}});
    if (!response) {
        if (id && never_arrived(response.error())) {
            CO_TRY_VOID(book_.give_back(*id, "nobody was reached with it"));
        }
        co_return fail(std::move(response.error()));
    }
    Answer answer(std::move(*response));
    if (id) {
        record(*id, answer.head());
        answer.on_end([this, number = *id](const net::http::Headers& trailers) {
            if (const auto receipt = trailers.find("X-Decloud-Receipt")) {
                (void)book_.taken(
                    number, {.amount = {}, .transaction = {}, .receipt = std::string(*receipt)});
            }
        });
    }
    co_return answer;
}

void AuthorizationPayer::record(std::int64_t id, const net::http::ResponseHead& head) {
    Result<void> written;
    if (const auto receipt = head.headers.find("X-Decloud-Receipt")) {
        written =
            book_.taken(id, {.amount = {}, .transaction = {}, .receipt = std::string(*receipt)});
    } else if (head.status >= 400) {
        // A refusal is the provider's word only; a 402 says so in as many words.
        written = book_.refused(
            id, head.status == kPaymentRequired ? "402" : "HTTP " + std::to_string(head.status));
    }
    if (!written) {
        log::warning("client", "payment {} is kept as booked: {}", id, written.error().message());
    }
}

}  // namespace decloud::client
