#include "quoting.hpp"

#include <decloud/protocol/repriced_call.hpp>
#include <decloud/protocol/structured_fields.hpp>

#include <algorithm>
#include <utility>

namespace decloud::pipeline {

using protocol::Checked;
using protocol::PreparedCall;
using protocol::Quote;
using protocol::Status;

namespace {

std::unexpected<protocol::Problem> not_by_quote(Status status, std::string why) {
    return std::unexpected(protocol::payment_required(
        status, std::move(why), "ask for another quote, or pay what is asked now", {}));
}

bool presents(const protocol::Call& call, const std::string& id) {
    return std::ranges::find(call.credentials, id, &protocol::Credential::id) !=
           call.credentials.end();
}

}  // namespace

Checked<std::shared_ptr<const Quote>> find_quote(
    const protocol::Call& call, const crypto::Ed25519PublicKey& key, UnixSeconds now) {
    const auto field = call.head.headers.find("OpenCloud-Quote");
    if (!field) {
        return nullptr;
    }
    const auto text = protocol::parse_quote_header(*field);
    auto quote = text ? protocol::parse_quote(*text, key) : fail(text.error());
    if (!quote) {
        return protocol::refuse(400, Status::bad_request, quote.error().detail(),
            "ask this node for a quote, or leave OpenCloud-Quote away");
    }
    if (quote->provider != call.audience || quote->service != call.service ||
        quote->method != call.method) {
        return not_by_quote(Status::payment_acceptable,
            "the quote is of " + quote->service + "." + quote->method + " at " + quote->provider);
    }
    if (quote->expires < now) {
        return not_by_quote(Status::payment_acceptable, "the quote has expired");
    }
    if (!quote->bound_to.empty() && !presents(call, quote->bound_to)) {
        return not_by_quote(
            Status::payment_acceptable, "the quote is for " + quote->bound_to + " alone");
    }
    return std::make_shared<const Quote>(std::move(*quote));
}

Checked<std::unique_ptr<PreparedCall>> make_quoted_call(
    std::unique_ptr<PreparedCall> call, const Quote& quote) {
    const protocol::Terms& terms = call->terms();
    if (terms.asset != quote.price.currency) {
        return not_by_quote(
            Status::payment_acceptable, "the quote is in " + quote.price.currency.text);
    }
    const auto price = protocol::price_by(quote, terms.units);
    if (!price) {
        return not_by_quote(Status::payment_too_low, price.error().detail());
    }
    return protocol::make_repriced_call(std::move(call), *price, quote.price);
}

std::string format_delivered(const protocol::UnitThousandths& units) {
    protocol::Dictionary out;
    for (const auto& [unit, thousandths] : units) {
        const auto count = static_cast<std::int64_t>(thousandths);
        protocol::Item item{.value = protocol::Decimal{count}};
        if (count % 1000 == 0) {
            item.value = count / 1000;
        }
        out.emplace_back(unit, std::move(item));
    }
    return protocol::serialize_dictionary(out).value_or("");
}

}  // namespace decloud::pipeline
