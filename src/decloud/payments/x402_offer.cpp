#include "x402_offer.hpp"

#include <decloud/base/encoding.hpp>

#include <string_view>

namespace decloud::payments {

namespace {

/// What a program answers is its own business.
constexpr std::string_view kMimeType = "application/octet-stream";
constexpr std::size_t kLongestResource = 512;

json::Object token_names(const X402Token& token) {
    return {{"name", token.name}, {"version", token.version}};
}

json::Object identifier_extension() {
    const json::Object id{
        {"type", "string"}, {"minLength", 16}, {"maxLength", 128}, {"pattern", "^[a-zA-Z0-9_-]+$"}};
    const json::Object schema{{"type", "object"},
        {"properties", json::Object{{"required", json::Object{{"type", "boolean"}}}, {"id", id}}},
        {"required", json::Array{"required"}}};
    return {{"payment-identifier",
        json::Object{{"info", json::Object{{"required", false}}}, {"schema", schema}}}};
}

std::string encoded(const json::Object& object) {
    return to_base64(as_bytes(json::to_text(object)));
}

}  // namespace

std::string resource_url(const net::http::RequestHead& head, const std::string& public_url) {
    const auto host = head.headers.find("Host");
    if (!host || host->empty()) {
        return public_url + head.target;
    }
    const auto proto = head.headers.find("X-Forwarded-Proto");
    return std::string(proto == "https" ? "https://" : "http://") + std::string(*host) +
           head.target;
}

json::Object x402_v1_row(
    const X402Offer& offer, const X402Settings& settings, const X402Token& token) {
    return {{"scheme", "exact"}, {"network", x402_network_name(settings.chain_id)},
        {"maxAmountRequired", to_string(offer.price)}, {"resource", offer.resource},
        {"description", offer.description}, {"mimeType", kMimeType},
        {"payTo", to_string(settings.pay_to)}, {"maxTimeoutSeconds", settings.max_timeout.count()},
        {"asset", to_string(settings.token)}, {"extra", token_names(token)}};
}

std::string x402_payment_required(const X402Offer& offer,
    const std::string& error,
    const X402Settings& settings,
    const X402Token& token) {
    const json::Object row{{"scheme", "exact"}, {"network", x402_network_id(settings.chain_id)},
        {"amount", to_string(offer.price)}, {"asset", to_string(settings.token)},
        {"payTo", to_string(settings.pay_to)}, {"maxTimeoutSeconds", settings.max_timeout.count()},
        {"extra", token_names(token)}};
    json::Object resource{
        {"url", offer.resource}, {"description", offer.description}, {"mimeType", kMimeType}};
    json::Object object{{"x402Version", 2}, {"error", error}, {"resource", resource},
        {"accepts", json::Array{row}}, {"extensions", identifier_extension()}};
    std::string text = encoded(object);
    if (text.size() > kX402HeaderGoal) {
        // The query may be long: the path tells as much as a payment needs.
        std::string path = offer.resource.substr(0, offer.resource.find('?'));
        path.resize(std::min(path.size(), kLongestResource));
        object["resource"] = json::Object{{"url", path}};
        text = encoded(object);
    }
    return text;
}

protocol::HeaderFields x402_response(int version,
    const X402Settings& settings,
    const Address& payer,
    const Bytes32& transaction,
    const std::string& error) {
    json::Object object{{"success", error.empty()},
        {"transaction", transaction.is_zero() ? "" : to_string(transaction)},
        {"network", version == 1 ? std::string(x402_network_name(settings.chain_id))
                                 : x402_network_id(settings.chain_id)},
        {"payer", to_string(payer)}};
    if (!error.empty()) {
        object["errorReason"] = error;
    }
    return {{version == 1 ? "X-PAYMENT-RESPONSE" : "PAYMENT-RESPONSE", encoded(object)}};
}

}  // namespace decloud::payments
