#include "named_provider.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/protocol/payment_header.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace decloud::gateway::internal {

namespace {

using net::http::Headers;
using protocol::Checked;

constexpr std::string_view kAudience = "OpenCloud-Audience";
constexpr std::array<std::string_view, 3> kPayments{
    "OpenCloud-Payment", "X-PAYMENT", "PAYMENT-SIGNATURE"};
constexpr std::size_t kMaxPaymentBytes = std::size_t{16} * 1024;

std::unexpected<protocol::Problem> bad(std::string detail) {
    return protocol::refuse(400, protocol::Status::bad_request, std::move(detail),
        "X-Decloud-Provider of an answer says who was chosen; its audience is in "
        "/p/{provider}/.well-known/decloud");
}

/// "eip155:{chain}:{address}".
std::optional<Address> audience_account(std::string_view text) {
    if (!text.starts_with("eip155:")) {
        return std::nullopt;
    }
    const auto address = parse_address(text.substr(text.rfind(':') + 1));
    return address ? std::optional(*address) : std::nullopt;
}

/// Whom an x402 payment pays: `payload.authorization.to`; or who pays: `from`.
Result<Address> x402_account(std::string_view field, std::string_view which) {
    if (field.size() > kMaxPaymentBytes) {
        return fail(CommonError::limit_exceeded, "the payment is too long");
    }
    TRY(const Bytes text, from_base64(field));
    TRY(const json::Value value,
        json::parse(as_text(text), {.max_bytes = kMaxPaymentBytes, .max_depth = 8}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a payment is an object");
    }
    TRY(const json::Object payload, json::object_member(value.get_object(), "payload"));
    TRY(const json::Object fields, json::object_member(payload, "authorization"));
    TRY(const std::string account, json::string_member(fields, which));
    return parse_address(account);
}

/// Of an `OpenCloud-Payment` with the method "authorization".
std::optional<identity::CallAuthorization> call_authorization(
    const protocol::PaymentHeader& payment) {
    if (payment.method != "authorization") {
        return std::nullopt;
    }
    const auto statement =
        identity::parse_signed<identity::CallAuthorization>(as_text(payment.payload));
    return statement ? std::optional(statement->fields) : std::nullopt;
}

/// Nothing: it does not say.
std::optional<Address> payee(const Headers& headers) {
    for (const std::string_view name : {kPayments[1], kPayments[2]}) {
        if (const auto field = headers.find(name)) {
            const auto to = x402_account(*field, "to");
            return to ? std::optional(*to) : std::nullopt;
        }
    }
    const auto field = headers.find(kPayments[0]);
    const auto payment = field ? protocol::parse_payment_header(*field)
                               : Result<protocol::PaymentHeader>(fail(CommonError::not_found));
    const auto authorization = payment ? call_authorization(*payment) : std::nullopt;
    return authorization ? std::optional(authorization->provider) : std::nullopt;
}

bool has_payment(const Headers& headers) {
    return std::ranges::any_of(
        kPayments, [&](std::string_view name) { return headers.contains(name); });
}

}  // namespace

bool is_bound(const Headers& headers) {
    return has_payment(headers) || headers.contains(kAudience) || headers.contains("Signature") ||
           headers.contains("Signature-Input") || headers.contains("OpenCloud-Credential");
}

std::optional<std::string> named_payer(const Headers& headers) {
    for (const std::string_view name : {kPayments[1], kPayments[2]}) {
        if (const auto field = headers.find(name)) {
            const auto from = x402_account(*field, "from");
            return from ? std::optional(to_string(*from)) : std::nullopt;
        }
    }
    const auto field = headers.find(kPayments[0]);
    const auto payment = field ? protocol::parse_payment_header(*field)
                               : Result<protocol::PaymentHeader>(fail(CommonError::not_found));
    if (!payment) {
        return std::nullopt;
    }
    if (const Bytes* const channel = payment->item.bytes_parameter("channel")) {
        return to_hex(BytesView(*channel).first(std::min<std::size_t>(channel->size(), 32)));
    }
    const auto authorization = call_authorization(*payment);
    return authorization ? std::optional(to_string(authorization->payer)) : std::nullopt;
}

Checked<std::optional<Address>> named_provider(const Headers& headers) {
    std::optional<Address> named;
    if (const auto field = headers.find(kAudience)) {
        named = audience_account(*field);
        if (!named || headers.count(kAudience) > 1) {
            return bad("OpenCloud-Audience names no provider");
        }
    }
    if (!has_payment(headers)) {
        return named;
    }
    const auto paid = payee(headers);
    if (named && paid && *named != *paid) {
        return bad("the payment is for another provider than OpenCloud-Audience");
    }
    if (!named && !paid) {
        return bad("the payment does not say for which provider it is: add OpenCloud-Audience");
    }
    return paid ? paid : named;
}

}  // namespace decloud::gateway::internal
