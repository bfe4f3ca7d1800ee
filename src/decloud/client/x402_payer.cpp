#include "x402_payer.hpp"

#include "error.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/payments/x402_message.hpp>

#include <algorithm>
#include <utility>

namespace decloud::client {

namespace {

constexpr int kPaymentRequired = 402;
/// What a server may ask for at most; longer, and an answer that never came stays booked longer.
constexpr std::chrono::seconds kLongestValidity{3600};
/// What a server needs at least to send a transfer.
constexpr std::chrono::seconds kShortestValidity{10};
constexpr std::size_t kIdentifierBytes = 16;

UnixSeconds end_of(const X402Terms& terms, UnixSeconds now) {
    const auto validity = std::clamp(terms.max_timeout, kShortestValidity, kLongestValidity);
    return {now.value + static_cast<std::uint64_t>(validity.count())};
}

json::Object fields_of(const payments::X402Authorization& authorization) {
    return {{"from", to_string(authorization.from)}, {"to", to_string(authorization.to)},
        {"value", to_string(authorization.value)},
        {"validAfter", std::to_string(authorization.valid_after)},
        {"validBefore", std::to_string(authorization.valid_before)},
        {"nonce", to_string(authorization.nonce)}};
}

json::Object payload_of(const payments::X402Authorization& authorization) {
    return {{"signature", to_hex_prefixed(authorization.signature.view())},
        {"authorization", fields_of(authorization)}};
}

/// The answer as whoever asked would have got it.
async::Task<Result<Answer>> read_whole(net::http::ClientResponse response) {
    net::http::ResponseHead head = response.head();
    CO_TRY(Bytes body, co_await response.read_all(kMaxChallengeBody));
    co_return Answer(std::move(head), std::move(body));
}

}  // namespace

std::string payee_name(const PayableRequest& request, const RequestRoute& route) {
    if (request.provider) {
        return to_string(request.provider->address);
    }
    net::Url origin = route.url;
    origin.target = "/";
    std::string text = origin.to_string();
    return text.substr(0, text.find_last_not_of('/') + 1);
}

std::string resource_name(const RequestRoute& route) {
    net::Url url = route.url;
    url.target = route.target.substr(0, route.target.find('?'));
    return url.to_string();
}

Result<SignedX402Payment> sign_x402_payment(const X402Challenge& challenge,
    const X402Terms& terms,
    const AccountSigner& signer,
    const Bytes32& nonce,
    UnixSeconds valid_before) {
    payments::X402Authorization authorization{.from = signer.address(),
        .to = terms.pay_to,
        .value = terms.amount,
        .valid_after = 0,
        .valid_before = valid_before.value,
        .nonce = nonce,
        .signature = {}};
    const Bytes32 domain = payments::token_domain(
        terms.token_name, terms.token_version, terms.token.chain_id, terms.token.address);
    TRY(authorization.signature,
        signer.sign(payments::authorization_digest(authorization, domain),
            identity::typed_data(payments::kAuthorizationType, fields_of(authorization),
                {.name = terms.token_name,
                    .version = terms.token_version,
                    .chain_id = terms.token.chain_id,
                    .contract = terms.token.address})));
    json::Object message{{"x402Version", challenge.version}};
    if (challenge.version == 1) {
        message["scheme"] = "exact";
        message["network"] = terms.network;
    } else {
        if (challenge.resource) {
            message["resource"] = *challenge.resource;
        }
        message["accepted"] = terms.row;
    }
    message["payload"] = payload_of(authorization);
    if (challenge.takes_identifier) {
        const std::string id = "pay_" + to_hex(BytesView(nonce.bytes).first(kIdentifierBytes));
        message["extensions"] = json::Object{{"payment-identifier",
            json::Object{{"info", json::Object{{"required", false}, {"id", id}}}}}};
    }
    return SignedX402Payment{.header = challenge.version == 1 ? "X-PAYMENT" : "PAYMENT-SIGNATURE",
        .value = to_base64(as_bytes(json::to_text(message)))};
}

async::Task<Result<bool>> X402Payer::can_pay(PayableRequest) { co_return true; }

async::Task<Result<Answer>> X402Payer::send(PayableRequest request, RequestRoute route) {
    CO_TRY(auto response, co_await send_once(client_, request, route));
    if (response.status() != kPaymentRequired) {
        co_return Answer(std::move(response));
    }
    const auto header = response.head().headers.find("PAYMENT-REQUIRED");
    const std::optional<std::string> required =
        header ? std::optional<std::string>(*header) : std::nullopt;
    net::http::ResponseHead head = response.head();
    auto body = co_await response.read_all(kMaxChallengeBody);
    if (!body) {
        co_return fail(body.error().within("what the 402 asks for"));
    }
    Answer unpaid(std::move(head), *body);
    const auto challenge = read_x402_challenge(required, *body);
    if (!challenge) {
        unpaid.set_not_paid(Error(make_error_code(ClientError::payment),
            "it was not paid: " + challenge.error().detail()));
        co_return unpaid;
    }
    const auto terms = choose_terms(*challenge, tokens_);
    if (!terms) {
        unpaid.set_not_paid(terms.error());
        co_return unpaid;
    }
    auto booking = prepare(request, route, *challenge, *terms);
    if (!booking && booking.error() == make_error_code(ClientError::payment)) {
        unpaid.set_not_paid(booking.error());
        co_return unpaid;
    }
    if (!booking) {
        co_return fail(std::move(booking.error()));
    }
    co_return co_await pay(std::move(request), std::move(route), std::move(*booking));
}

Result<X402Payer::Booking> X402Payer::prepare(const PayableRequest& request,
    const RequestRoute& route,
    const X402Challenge& challenge,
    const X402Terms& terms) {
    if (request.provider && terms.pay_to != request.provider->address) {
        return fail(ClientError::payment, "it is to be paid to " + to_string(terms.pay_to) +
                                              ", which is not " + request.provider->name.full());
    }
    Bytes32 nonce;
    nonce.bytes = crypto::random_array<Bytes32::kSize>();
    const UnixSeconds end = end_of(terms, clock_.unix_seconds());
    Booking out{.id = 0, .amount = terms.amount, .payment = {}};
    TRY(out.id, book_.book({.method = "x402",
                    .account = signer_.address(),
                    .provider = payee_name(request, route),
                    .pay_to = terms.pay_to,
                    .resource = resource_name(route),
                    .asset = terms.token.to_string(),
                    .amount = terms.amount,
                    .nonce = nonce,
                    .valid_before = end}));
    TRY(out.payment, sign_x402_payment(challenge, terms, signer_, nonce, end));
    return out;
}

async::Task<Result<Answer>> X402Payer::pay(
    PayableRequest request, RequestRoute route, Booking booking) {
    auto response = co_await send_once(client_, std::move(request), std::move(route),
        {{booking.payment.header, booking.payment.value}});
    if (!response) {
        if (never_arrived(response.error())) {
            CO_TRY_VOID(book_.give_back(booking.id, "nobody was reached with it"));
        }
        co_return fail(std::move(response.error()));
    }
    record(booking, response->head());
    if (response->status() != kPaymentRequired) {
        Answer answer(std::move(*response));
        answer.on_end([this, booking](const net::http::Headers& trailers) {
            if (const auto receipt = trailers.find("X-Decloud-Receipt")) {
                (void)book_.taken(booking.id, {.amount = booking.amount,
                                                  .transaction = {},
                                                  .receipt = std::string(*receipt)});
            }
        });
        co_return answer;
    }
    CO_TRY(Answer refused, co_await read_whole(std::move(*response)));
    refused.set_not_paid(Error(make_error_code(ClientError::payment),
        "a payment was sent and refused; nothing more is sent, and its amount counts until it "
        "cannot be taken any more"));
    co_return refused;
}

void X402Payer::record(const Booking& booking, const net::http::ResponseHead& head) {
    auto field = head.headers.find("PAYMENT-RESPONSE");
    if (!field) {
        field = head.headers.find("X-PAYMENT-RESPONSE");
    }
    Result<void> written;
    const auto settlement = field ? parse_x402_settlement(*field)
                                  : Result<X402Settlement>(fail(CommonError::not_found));
    if (settlement && settlement->success) {
        written = book_.taken(booking.id,
            {.amount = booking.amount,
                .transaction = settlement->transaction,
                .receipt = std::string(head.headers.find("X-Decloud-Receipt").value_or(""))});
    } else if (head.status == kPaymentRequired || (settlement && !settlement->success)) {
        written = book_.refused(booking.id, settlement ? settlement->error : "402");
    }
    if (!written) {
        log::warning(
            "client", "payment {} is kept as booked: {}", booking.id, written.error().message());
    }
}

}  // namespace decloud::client
