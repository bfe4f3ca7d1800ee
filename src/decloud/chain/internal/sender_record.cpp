#include "sender_record.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

namespace decloud::chain::internal {

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr json::Limits kLimits{.max_bytes = 4U << 20U, .max_depth = 4};

Result<Uint128> decimal_member(const json::Object& object, std::string_view name) {
    TRY(const std::string text, json::string_member(object, name));
    return parse_uint128(text);
}

Result<Bytes> hex_member(const json::Object& object, std::string_view name) {
    TRY(const std::string text, json::string_member(object, name));
    return from_hex(text);
}

Result<Transaction> parse_transaction(const json::Object& object) {
    Transaction out;
    TRY(out.chain_id, json::uint_member(object, "chainId"));
    TRY(out.nonce, json::uint_member(object, "nonce"));
    TRY(out.gas_limit, json::uint_member(object, "gas"));
    TRY(out.max_fee_per_gas, decimal_member(object, "maxFeePerGas"));
    TRY(out.max_priority_fee_per_gas, decimal_member(object, "maxPriorityFeePerGas"));
    TRY(out.value, decimal_member(object, "value"));
    TRY(out.data, hex_member(object, "data"));
    if (object.contains("to")) {
        TRY(const std::string to, json::string_member(object, "to"));
        TRY(out.to, parse_address(to));
    }
    return out;
}

Result<SenderRecord> parse(BytesView bytes) {
    TRY(const json::Value value, json::parse(as_text(bytes), kLimits));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "not an object");
    }
    const json::Object& object = value.get_object();
    TRY(const std::uint64_t version, json::uint_member(object, "version"));
    if (version != kVersion) {
        return fail(CommonError::invalid_input, "format version " + std::to_string(version));
    }
    SenderRecord out;
    TRY(out.intent, json::string_member(object, "intent"));
    TRY(const std::uint64_t state, json::uint_member(object, "state"));
    if (state > static_cast<std::uint64_t>(SenderRecord::State::failed)) {
        return fail(CommonError::invalid_input, "unknown state");
    }
    out.state = static_cast<SenderRecord::State>(state);
    TRY(out.transaction, parse_transaction(object));
    TRY(out.raw, hex_member(object, "raw"));
    TRY(const json::Array hashes, json::array_member(object, "hashes"));
    for (const json::Value& hash : hashes) {
        if (!hash.is_string()) {
            return fail(CommonError::invalid_input, "a hash is no text");
        }
        TRY(const Bytes32 word, parse_bytes32(hash.get_string()));
        out.hashes.push_back(word);
    }
    TRY(const std::string mined, json::string_member(object, "minedHash"));
    TRY(out.mined_hash, parse_bytes32(mined));
    TRY(out.block_number, json::uint_member(object, "blockNumber"));
    TRY(out.gas_used, json::uint_member(object, "gasUsed"));
    if (object.contains("contract")) {
        TRY(const std::string contract, json::string_member(object, "contract"));
        TRY(out.contract, parse_address(contract));
    }
    TRY(const std::uint64_t error, json::uint_member(object, "error"));
    out.error = static_cast<int>(error);
    TRY(out.reason, json::string_member(object, "reason"));
    return out;
}

}  // namespace

Bytes to_bytes(const SenderRecord& record) {
    const Transaction& transaction = record.transaction;
    json::Object out;
    out["version"] = kVersion;
    out["intent"] = record.intent;
    out["state"] = static_cast<std::uint64_t>(record.state);
    out["chainId"] = transaction.chain_id;
    out["nonce"] = transaction.nonce;
    out["gas"] = transaction.gas_limit;
    out["maxFeePerGas"] = to_string(transaction.max_fee_per_gas);
    out["maxPriorityFeePerGas"] = to_string(transaction.max_priority_fee_per_gas);
    out["value"] = to_string(transaction.value);
    out["data"] = to_hex_prefixed(transaction.data);
    if (transaction.to) {
        out["to"] = to_string(*transaction.to);
    }
    out["raw"] = to_hex_prefixed(record.raw);
    json::Array hashes;
    for (const Bytes32& hash : record.hashes) {
        hashes.emplace_back(to_string(hash));
    }
    out["hashes"] = std::move(hashes);
    out["minedHash"] = to_string(record.mined_hash);
    out["blockNumber"] = record.block_number;
    out["gasUsed"] = record.gas_used;
    if (record.contract) {
        out["contract"] = to_string(*record.contract);
    }
    out["error"] = static_cast<std::uint64_t>(record.error);
    out["reason"] = record.reason;
    return decloud::to_bytes(std::string_view(json::to_text(out)));
}

Result<SenderRecord> parse_sender_record(BytesView bytes) {
    auto record = parse(bytes);
    if (!record) {
        return fail(
            CommonError::corrupt, "a transaction in the journal: " + record.error().message());
    }
    return record;
}

}  // namespace decloud::chain::internal
