#include "quote.hpp"

#include "structured_fields.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>

#include <algorithm>
#include <charconv>
#include <utility>
#include <variant>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxUnits = 32;

json::Object counts_json(const UnitCounts& units) {
    json::Object out;
    for (const auto& [unit, count] : units) {
        out[unit] = std::to_string(count);
    }
    return out;
}

Result<UnitCounts> read_counts(const json::Object& object) {
    UnitCounts out;
    for (const auto& member : object) {
        TRY(const std::string text, json::string_member(object, member.key()));
        std::uint64_t count = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
        if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
            return fail(CommonError::invalid_input, "\"" + text + "\" is no count");
        }
        out.emplace(member.key(), count);
    }
    return out;
}

Result<Amount> amount_member(const json::Object& object, std::string_view name) {
    TRY(const std::string text, json::string_member(object, name));
    return parse_amount(text);
}

Result<PriceModel> read_price(const json::Object& object, std::string currency) {
    PriceModel out{.currency = {std::move(currency)}, .base = {}};
    TRY(out.base, amount_member(object, "base"));
    TRY(out.least, amount_member(object, "least"));
    TRY(const json::Object rates, json::object_member(object, "perUnit"));
    for (const auto& member : rates) {
        TRY(const Amount rate, amount_member(rates, member.key()));
        out.per_unit.emplace(member.key(), rate);
    }
    return out;
}

Result<void> check_signature(json::Object object, const crypto::Ed25519PublicKey& key) {
    TRY(const std::string signer, json::string_member(object, "signer"));
    TRY(const std::string encoded, json::string_member(object, "signature"));
    TRY(const Bytes signature, from_base64url(encoded));
    object.erase("signature");
    TRY(const std::string signed_text, json::canonical(object));
    if (signer != identity::to_did_key(key) ||
        !crypto::verify(key, as_bytes(signed_text), signature)) {
        return fail(CommonError::invalid_input, "the quote was not signed by this node");
    }
    return {};
}

}  // namespace

Result<json::Object> sign_quote(const Quote& quote, const crypto::Ed25519PrivateKey& key) {
    json::Object out{{"id", quote.id}, {"service", quote.service}, {"method", quote.method},
        {"units", counts_json(quote.units)}, {"price", to_json(quote.price)},
        {"amount", to_string(quote.amount)}, {"currency", quote.price.currency.text},
        {"issued", quote.issued.value}, {"expires", quote.expires.value},
        {"provider", quote.provider}, {"signer", identity::to_did_key(key.public_key())}};
    if (!quote.bound_to.empty()) {
        out["for"] = quote.bound_to;
    }
    TRY(const std::string text, json::canonical(out));
    out["signature"] = to_base64url(key.sign(as_bytes(text)).view());
    return out;
}

Result<Quote> parse_quote(std::string_view text, const crypto::Ed25519PublicKey& key) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = kMaxQuoteBytes, .max_depth = 4}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a quote is a JSON object");
    }
    const json::Object& object = value.get_object();
    TRY_VOID(check_signature(object, key));
    Quote out;
    TRY(out.id, json::string_member(object, "id"));
    TRY(out.service, json::string_member(object, "service"));
    TRY(out.method, json::string_member(object, "method"));
    TRY(const json::Object units, json::object_member(object, "units"));
    TRY(out.units, read_counts(units));
    TRY(std::string currency, json::string_member(object, "currency"));
    TRY(const json::Object price, json::object_member(object, "price"));
    TRY(out.price, read_price(price, std::move(currency)));
    TRY(out.amount, amount_member(object, "amount"));
    TRY(out.issued.value, json::uint_member(object, "issued"));
    TRY(out.expires.value, json::uint_member(object, "expires"));
    TRY(out.provider, json::string_member(object, "provider"));
    if (object.contains("for")) {
        TRY(out.bound_to, json::string_member(object, "for"));
    }
    if (out.units.size() > kMaxUnits || out.price.per_unit.size() > kMaxUnits) {
        return fail(CommonError::limit_exceeded, "a quote is of at most 32 units");
    }
    return out;
}

std::string format_quote_header(std::string_view text) {
    return ":" + to_base64(as_bytes(text)) + ":";
}

Result<std::string> parse_quote_header(std::string_view field) {
    TRY(const Item item, parse_item(field));
    const auto* bytes = std::get_if<Bytes>(&item.value);
    if (bytes == nullptr) {
        return fail(CommonError::invalid_input, "OpenCloud-Quote is the quote's text as :base64:");
    }
    if (bytes->size() > kMaxQuoteBytes) {
        return fail(CommonError::limit_exceeded, "a quote has at most 4,096 bytes");
    }
    return std::string(as_text(*bytes));
}

Result<Amount> price_by(const Quote& quote, const UnitCounts& units) {
    UnitCounts counted;
    for (const auto& [unit, most] : quote.units) {
        const std::uint64_t count = count_of(units, unit);
        if (count > most) {
            return fail(CommonError::limit_exceeded,
                "the call may count " + std::to_string(count) + " of the unit " + unit +
                    ", the quote is of " + std::to_string(most));
        }
        if (quote.price.per_unit.contains(unit)) {
            counted.emplace(unit, count);
        }
    }
    TRY(const Amount price, price_of(quote.price, counted));
    return std::min(price, quote.amount);
}

}  // namespace decloud::protocol
