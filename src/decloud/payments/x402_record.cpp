#include "x402_record.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

namespace decloud::payments {

namespace {

constexpr std::uint64_t kLastState = static_cast<std::uint64_t>(X402State::failed);

Result<X402Record> read_record(const json::Object& object) {
    X402Record record;
    TRY(const std::uint64_t state, json::uint_member(object, "state"));
    if (state > kLastState) {
        return fail(CommonError::corrupt, "an unknown state");
    }
    record.state = static_cast<X402State>(state);
    X402Authorization& fields = record.authorization;
    TRY(const std::string from, json::string_member(object, "from"));
    TRY(fields.from, parse_address(from));
    TRY(const std::string to, json::string_member(object, "to"));
    TRY(fields.to, parse_address(to));
    TRY(const std::string value, json::string_member(object, "value"));
    TRY(fields.value, parse_amount(value));
    TRY(fields.valid_after, json::uint_member(object, "validAfter"));
    TRY(fields.valid_before, json::uint_member(object, "validBefore"));
    TRY(const std::string nonce, json::string_member(object, "nonce"));
    TRY(fields.nonce, parse_bytes32(nonce));
    TRY(const std::string signature, json::string_member(object, "signature"));
    TRY(const Bytes bytes, from_hex(signature));
    TRY(fields.signature, crypto::EcdsaSignature::from(bytes));
    TRY(const std::string digest, json::string_member(object, "requestDigest"));
    TRY(record.request_digest, parse_bytes32(digest));
    TRY(record.identifier, json::string_member(object, "identifier"));
    TRY(record.service, json::string_member(object, "service"));
    TRY(record.subject, json::string_member(object, "subject"));
    TRY(record.since_block, json::uint_member(object, "sinceBlock"));
    TRY(const std::string transaction, json::string_member(object, "transaction"));
    TRY(record.transaction, parse_bytes32(transaction));
    TRY(record.receipt, json::string_member(object, "receipt"));
    TRY(record.unanswered, json::bool_member(object, "unanswered"));
    return record;
}

}  // namespace

std::string x402_key(const Address& token, const X402Authorization& authorization) {
    return "x402:" + to_string(token) + ":" + to_string(authorization.from) + ":" +
           to_string(authorization.nonce);
}

Bytes format_x402_record(const X402Record& record) {
    const X402Authorization& fields = record.authorization;
    const json::Object object{{"state", static_cast<std::uint64_t>(record.state)},
        {"from", to_string(fields.from)}, {"to", to_string(fields.to)},
        {"value", to_string(fields.value)}, {"validAfter", fields.valid_after},
        {"validBefore", fields.valid_before}, {"nonce", to_string(fields.nonce)},
        {"signature", to_hex(fields.signature.view())},
        {"requestDigest", to_string(record.request_digest)}, {"identifier", record.identifier},
        {"service", record.service}, {"subject", record.subject},
        {"sinceBlock", record.since_block}, {"transaction", to_string(record.transaction)},
        {"receipt", record.receipt}, {"unanswered", record.unanswered}};
    return to_bytes(json::to_text(object));
}

Result<X402Record> parse_x402_record(BytesView text) {
    const auto value = json::parse(as_text(text));
    if (!value || !value->is_object()) {
        return fail(CommonError::corrupt, "a record of an x402 payment is damaged");
    }
    auto record = read_record(value->get_object());
    if (!record) {
        return fail(CommonError::corrupt,
            "a record of an x402 payment is damaged: " + record.error().detail());
    }
    return record;
}

}  // namespace decloud::payments
