#include "ethereum.hpp"

#include <decloud/base/encoding.hpp>

namespace decloud::chain {

namespace {

std::unexpected<Error> invalid(std::string why) {
    return fail(ChainError::invalid_response, std::move(why));
}

Result<json::Value> member(const json::Object& object, std::string_view name) {
    const json::Value* const value = object.if_contains(name);
    if (value == nullptr) {
        return invalid(std::string(name) + " is missing");
    }
    return *value;
}

Result<std::uint64_t> quantity_member(const json::Object& object, std::string_view name) {
    TRY(const json::Value value, member(object, name));
    return parse_quantity(value);
}

Result<Bytes32> word_member(const json::Object& object, std::string_view name) {
    TRY(const json::Value value, member(object, name));
    TRY(const Bytes bytes, parse_data(value));
    auto word = Bytes32::from(bytes);
    return word ? word : invalid(std::string(name) + " is no 32-byte word");
}

Result<Address> address_of(const json::Value& value) {
    TRY(const Bytes bytes, parse_data(value));
    auto address = Address::from(bytes);
    return address ? address : invalid("not an address");
}

Result<BlockHeader> parse_header(const json::Value& value) {
    if (value.is_null()) {
        return fail(ChainError::not_found, "no such block");
    }
    if (!value.is_object()) {
        return invalid("a block must be an object");
    }
    const json::Object& object = value.get_object();
    BlockHeader out;
    TRY(out.number, quantity_member(object, "number"));
    TRY(out.hash, word_member(object, "hash"));
    TRY(out.parent, word_member(object, "parentHash"));
    TRY(out.timestamp.value, quantity_member(object, "timestamp"));
    if (const json::Value* const fee = object.if_contains("baseFeePerGas")) {
        TRY(out.base_fee, parse_quantity128(*fee));
    }
    return out;
}

Result<Log> parse_log(const json::Value& value) {
    if (!value.is_object()) {
        return invalid("a log must be an object");
    }
    const json::Object& object = value.get_object();
    Log out;
    TRY(const json::Value address, member(object, "address"));
    TRY(out.address, address_of(address));
    TRY(const json::Value topics, member(object, "topics"));
    if (!topics.is_array() || topics.get_array().size() > 4) {
        return invalid("topics must be at most four");
    }
    for (const json::Value& topic : topics.get_array()) {
        TRY(const Bytes bytes, parse_data(topic));
        TRY(const Bytes32 word, Bytes32::from(bytes));
        out.topics.push_back(word);
    }
    TRY(const json::Value data, member(object, "data"));
    TRY(out.data, parse_data(data));
    TRY(out.block_number, quantity_member(object, "blockNumber"));
    TRY(out.transaction_hash, word_member(object, "transactionHash"));
    TRY(out.index, quantity_member(object, "logIndex"));
    return out;
}

Result<std::vector<Log>> parse_logs(const json::Value& value) {
    if (!value.is_array()) {
        return invalid("logs must be an array");
    }
    std::vector<Log> out;
    for (const json::Value& item : value.get_array()) {
        TRY(Log log, parse_log(item));
        out.push_back(std::move(log));
    }
    return out;
}

Result<std::optional<TransactionReceipt>> parse_receipt(const json::Value& value) {
    if (value.is_null()) {
        return std::nullopt;
    }
    if (!value.is_object()) {
        return invalid("a receipt must be an object");
    }
    const json::Object& object = value.get_object();
    if (const json::Value* const block = object.if_contains("blockHash");
        !block || block->is_null()) {
        return std::nullopt;
    }
    TransactionReceipt out;
    TRY(out.hash, word_member(object, "transactionHash"));
    TRY(const std::uint64_t status, quantity_member(object, "status"));
    out.succeeded = status == 1;
    TRY(out.block_number, quantity_member(object, "blockNumber"));
    TRY(out.block_hash, word_member(object, "blockHash"));
    TRY(out.gas_used, quantity_member(object, "gasUsed"));
    if (const json::Value* const contract = object.if_contains("contractAddress");
        contract && !contract->is_null()) {
        TRY(out.contract, address_of(*contract));
    }
    TRY(const json::Value logs, member(object, "logs"));
    TRY(out.logs, parse_logs(logs));
    return out;
}

json::Object to_json(const CallRequest& request) {
    json::Object out;
    if (request.from) {
        out["from"] = to_string(*request.from);
    }
    if (request.to) {
        out["to"] = to_string(*request.to);
    }
    out["data"] = to_hex_prefixed(request.data);
    if (request.value != 0) {
        out["value"] = to_quantity(request.value);
    }
    return out;
}

json::Object to_json(const LogFilter& filter) {
    json::Object out;
    json::Array addresses;
    for (const Address& address : filter.addresses) {
        addresses.emplace_back(to_string(address));
    }
    if (!addresses.empty()) {
        out["address"] = std::move(addresses);
    }
    json::Array topics;
    for (const auto& choices : filter.topics) {
        json::Array any;
        for (const Bytes32& topic : choices) {
            any.emplace_back(to_string(topic));
        }
        topics.push_back(any.empty() ? json::Value() : json::Value(std::move(any)));
    }
    if (!topics.empty()) {
        out["topics"] = std::move(topics);
    }
    out["fromBlock"] = to_quantity(filter.from_block);
    out["toBlock"] = to_quantity(filter.to_block);
    return out;
}

Result<Bytes32> parse_hash(const json::Value& value) {
    TRY(const Bytes bytes, parse_data(value));
    auto word = Bytes32::from(bytes);
    return word ? word : invalid("not a hash");
}

template <class Parse>
async::Task<std::invoke_result_t<Parse, const json::Value&>> ask(
    JsonRpc* rpc, std::string method, json::Array params, Parse parse) {
    auto answer = co_await rpc->request(std::move(method), std::move(params));
    if (!answer) {
        co_return fail(std::move(answer.error()));
    }
    co_return parse(*answer);
}

}  // namespace

BlockTag BlockTag::at(std::uint64_t number) { return BlockTag(to_quantity(number)); }

async::Task<Result<std::uint64_t>> EthereumClient::chain_id() {
    co_return co_await ask(&rpc_, "eth_chainId", json::Array{}, parse_quantity);
}

async::Task<Result<std::uint64_t>> EthereumClient::block_number() {
    co_return co_await ask(&rpc_, "eth_blockNumber", json::Array{}, parse_quantity);
}

async::Task<Result<BlockHeader>> EthereumClient::get_block(BlockTag tag) {
    co_return co_await ask(&rpc_, "eth_getBlockByNumber", {tag.text(), false}, parse_header);
}

async::Task<Result<BlockHeader>> EthereumClient::get_block(Bytes32 hash) {
    co_return co_await ask(&rpc_, "eth_getBlockByHash", {to_string(hash), false}, parse_header);
}

async::Task<Result<Bytes>> EthereumClient::call(Address to, Bytes data, BlockTag tag) {
    return call(
        CallRequest{.from = {}, .to = to, .data = std::move(data), .value = 0}, std::move(tag));
}

async::Task<Result<Bytes>> EthereumClient::call(CallRequest request, BlockTag tag) {
    co_return co_await ask(&rpc_, "eth_call", {to_json(request), tag.text()}, parse_data);
}

async::Task<Result<std::vector<Log>>> EthereumClient::get_logs(LogFilter filter) {
    json::Array params;
    params.emplace_back(to_json(filter));
    co_return co_await ask(&rpc_, "eth_getLogs", std::move(params), parse_logs);
}

async::Task<Result<Uint128>> EthereumClient::balance(Address address, BlockTag tag) {
    co_return co_await ask(
        &rpc_, "eth_getBalance", {to_string(address), tag.text()}, parse_quantity128);
}

async::Task<Result<Bytes>> EthereumClient::code(Address address, BlockTag tag) {
    co_return co_await ask(&rpc_, "eth_getCode", {to_string(address), tag.text()}, parse_data);
}

async::Task<Result<std::uint64_t>> EthereumClient::nonce(Address address, BlockTag tag) {
    co_return co_await ask(
        &rpc_, "eth_getTransactionCount", {to_string(address), tag.text()}, parse_quantity);
}

async::Task<Result<std::uint64_t>> EthereumClient::estimate_gas(CallRequest request) {
    json::Array params;
    params.emplace_back(to_json(request));
    params.emplace_back(BlockTag::pending().text());
    co_return co_await ask(&rpc_, "eth_estimateGas", std::move(params), parse_quantity);
}

async::Task<Result<Fees>> EthereumClient::fees() {
    CO_TRY(const BlockHeader head, co_await get_block(BlockTag::latest()));
    CO_TRY(const Uint128 tip,
        co_await ask(&rpc_, "eth_maxPriorityFeePerGas", json::Array{}, parse_quantity128));
    co_return Fees{.max_fee_per_gas = 2 * head.base_fee + tip, .max_priority_fee_per_gas = tip};
}

async::Task<Result<Bytes32>> EthereumClient::send_raw_transaction(Bytes raw) {
    json::Array params;
    params.emplace_back(to_hex_prefixed(raw));
    co_return co_await ask(&rpc_, "eth_sendRawTransaction", std::move(params), parse_hash);
}

async::Task<Result<std::optional<TransactionReceipt>>> EthereumClient::transaction_receipt(
    Bytes32 hash) {
    json::Array params;
    params.emplace_back(to_string(hash));
    co_return co_await ask(&rpc_, "eth_getTransactionReceipt", std::move(params), parse_receipt);
}

async::Task<Result<bool>> EthereumClient::knows_transaction(Bytes32 hash) {
    json::Array params;
    params.emplace_back(to_string(hash));
    CO_TRY(const json::Value answer,
        co_await rpc_.request("eth_getTransactionByHash", std::move(params)));
    co_return answer.is_object();
}

}  // namespace decloud::chain
