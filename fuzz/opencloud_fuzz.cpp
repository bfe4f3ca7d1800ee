#include <decloud/base/encoding.hpp>
#include <decloud/identity/did_key.hpp>
#include <decloud/protocol/credential_claims.hpp>
#include <decloud/protocol/promise.hpp>
#include <decloud/protocol/quote.hpp>
#include <decloud/protocol/request_digest.hpp>
#include <decloud/protocol/request_signatures.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace decloud;

/// What was read is written and read again to the same.
template <class Value>
void check_round_trip(std::string_view text,
    Result<Value> (*parse)(std::string_view),
    Result<std::string> (*serialize)(const Value&)) {
    const auto value = parse(text);
    if (!value) {
        return;
    }
    const auto written = serialize(*value);
    if (!written) {
        std::abort();
    }
    const auto again = parse(*written);
    if (!again || !(*again == *value)) {
        std::abort();
    }
}

Result<protocol::Promise> parse_promise(std::string_view text) {
    TRY(const protocol::PaymentHeader header, protocol::parse_payment_header(text));
    return protocol::parse_promise(header);
}

void check_signatures(std::string_view input, std::string_view signature) {
    net::http::Headers headers;
    headers.add("Signature-Input", input);
    headers.add("Signature", signature);
    headers.add("OpenCloud-Payment", signature);
    const auto read = protocol::read_request_signatures(headers);
    if (!read) {
        return;
    }
    for (const auto& each : *read) {
        (void)protocol::check_coverage(each, headers, {.has_body = true});
        (void)protocol::check_times(each, {1'800'000'000});
        (void)protocol::check_signature(each, {.method = "POST",
                                                  .target = "/oc/v1/a/b?arg=1&arg=%20",
                                                  .authority = "node.example",
                                                  .status = {},
                                                  .headers = &headers});
        (void)protocol::accept_signature(each, "nonce");
    }
}

/// A quote's members under a good signature, which is looked at before them.
void check_quote(std::string_view text) {
    (void)protocol::parse_quote_header(text);
    static const auto key = crypto::Ed25519PrivateKey::from_seed(Bytes(32, 1)).value();
    const auto value = json::parse(text, {.max_bytes = protocol::kMaxQuoteBytes, .max_depth = 4});
    if (!value || !value->is_object()) {
        return;
    }
    json::Object object = value->get_object();
    object.erase("signature");
    object["signer"] = identity::to_did_key(key.public_key());
    const auto canonical = json::canonical(object);
    if (!canonical) {
        return;
    }
    object["signature"] = to_base64url(key.sign(as_bytes(*canonical)).view());
    const auto quote = protocol::parse_quote(json::to_text(object), key.public_key());
    if (!quote) {
        return;
    }
    const auto price = protocol::price_by(*quote, quote->units);
    if (price && *price > quote->amount) {
        std::abort();
    }
}

}  // namespace

/// Header fields of OpenCloud requests; two of them are separated by a line feed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_round_trip<protocol::Item>(text, protocol::parse_item, protocol::serialize_item);
    check_round_trip<protocol::Promise>(text, parse_promise, protocol::format_promise);
    check_round_trip<protocol::List>(text, protocol::parse_list, protocol::serialize_list);
    check_round_trip<protocol::Dictionary>(
        text, protocol::parse_dictionary, protocol::serialize_dictionary);
    (void)protocol::parse_content_digest(text);
    (void)protocol::parse_credential_claims(text);
    check_quote(text);
    const std::size_t split = text.find('\n');
    if (split != std::string_view::npos) {
        check_signatures(text.substr(0, split), text.substr(split + 1));
    }
    return 0;
}
