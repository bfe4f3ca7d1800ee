#include "wallet_transaction.hpp"

#include "../error.hpp"
#include "signer_rpc.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/chain/checksum.hpp>
#include <decloud/chain/json_rpc.hpp>
#include <decloud/crypto/secp256k1.hpp>
#include <decloud/identity/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

namespace decloud::client::internal {

namespace {

constexpr SignerMethod kSend{"eth_sendTransaction", ""};
constexpr SignerMethod kSent{"eth_getTransactionByHash", ""};
constexpr int kLooks = 120;
constexpr std::chrono::milliseconds kBetweenLooks{500};
constexpr std::size_t kNumberBytes = 32;

Result<json::Value> member(const json::Object& object, std::string_view name) {
    const auto* const value = object.if_contains(name);
    if (value == nullptr) {
        return fail(ClientError::remote, fmt::format("it has no {}", name));
    }
    return *value;
}

/// A quantity of up to 32 bytes at the end of `width` of them.
Result<void> put(crypto::EcdsaSignature& signature, std::size_t end, const json::Value& value) {
    const std::string text = value.is_string() ? std::string(value.get_string()) : "";
    std::string digits = text.starts_with("0x") ? text.substr(2) : "";
    if (digits.size() % 2 != 0) {
        digits.insert(digits.begin(), '0');
    }
    TRY(const Bytes bytes, from_hex(digits));
    if (bytes.empty() || bytes.size() > kNumberBytes) {
        return fail(ClientError::remote, "its signature is none");
    }
    std::ranges::copy(
        bytes, signature.bytes.begin() + static_cast<std::ptrdiff_t>(end - bytes.size()));
    return {};
}

/// The transaction that was asked for with the gas, the fees and the signature of what was sent.
Result<chain::SignedTransaction> assemble(
    chain::Transaction transaction, const json::Object& sent, const Address& sender) {
    const auto number = [&](std::string_view name) -> Result<Uint128> {
        TRY(const json::Value value, member(sent, name));
        return chain::parse_quantity128(value);
    };
    TRY(const Uint128 type, number("type"));
    if (type != 2) {
        return fail(IdentityError::bad_signature, "it is not of type 2 (EIP-1559)");
    }
    TRY(const Uint128 gas, number("gas"));
    transaction.gas_limit = static_cast<std::uint64_t>(gas);
    TRY(transaction.max_fee_per_gas, number("maxFeePerGas"));
    TRY(transaction.max_priority_fee_per_gas, number("maxPriorityFeePerGas"));
    crypto::EcdsaSignature signature;
    TRY(const json::Value r, member(sent, "r"));
    TRY_VOID(put(signature, 32, r));
    TRY(const json::Value s, member(sent, "s"));
    TRY_VOID(put(signature, 64, s));
    TRY(const Uint128 parity, number(sent.contains("yParity") ? "yParity" : "v"));
    if (parity > 1) {
        return fail(IdentityError::bad_signature, "its signature is none");
    }
    signature.bytes.back() = static_cast<std::uint8_t>(27 + static_cast<unsigned>(parity));
    chain::SignedTransaction out = chain::with_signature(transaction, signature);
    const auto signer = crypto::recover(chain::signing_digest(transaction), signature.view());
    if (!signer || *signer != sender) {
        return fail(IdentityError::bad_signature, "it is another one than was asked for");
    }
    return out;
}

/// Until the wallet's own node has it.
Result<json::Object> look_for(const std::string& url, const std::string& hash) {
    for (int look = 0; look < kLooks; ++look) {
        if (look > 0) {
            std::this_thread::sleep_for(kBetweenLooks);
        }
        TRY(const auto found, ask_signer(url, kSent, {hash}));
        if (!found) {
            return fail(ClientError::remote, "it does not show it (eth_getTransactionByHash)");
        }
        if (found->is_object()) {
            return found->get_object();
        }
    }
    return fail(ClientError::remote, "it has not shown it within a minute");
}

}  // namespace

json::Object to_json(const chain::Transaction& transaction, const Address& from) {
    using chain::to_quantity;
    json::Object out{{"from", chain::checksummed(from)},
        {"gas", to_quantity(transaction.gas_limit)},
        {"maxFeePerGas", to_quantity(transaction.max_fee_per_gas)},
        {"maxPriorityFeePerGas", to_quantity(transaction.max_priority_fee_per_gas)},
        {"value", to_quantity(transaction.value)}, {"nonce", to_quantity(transaction.nonce)},
        {"chainId", to_quantity(transaction.chain_id)},
        {"data", to_hex_prefixed(transaction.data)}};
    if (transaction.to) {
        out["to"] = chain::checksummed(*transaction.to);
    }
    return out;
}

Result<chain::SignedTransaction> send_by_wallet(
    const std::string& url, const chain::Transaction& transaction, const Address& sender) {
    auto answer = ask_signer(url, kSend, {to_json(transaction, sender)});
    if (!answer && answer.error() != make_error_code(ClientError::not_authorised)) {
        return fail(
            answer.error().within("it may have been sent: look at the wallet before another try"));
    }
    TRY(const auto hash_value, std::move(answer));
    if (!hash_value) {
        return fail(ClientError::not_authorised,
            "the signer at " + url +
                " neither signs nor sends transactions: it lacks eth_signTransaction and "
                "eth_sendTransaction");
    }
    const std::string hash =
        hash_value->is_string() ? std::string(hash_value->get_string()) : "no hash";
    auto sent = look_for(url, hash);
    auto assembled = sent ? assemble(transaction, *sent, sender)
                          : Result<chain::SignedTransaction>(fail(std::move(sent.error())));
    if (assembled && to_string(assembled->hash) != hash) {
        assembled = fail(IdentityError::bad_signature, "it is another one than was asked for");
    }
    if (!assembled) {
        return fail(assembled.error().within(fmt::format(
            "the wallet at {} has sent {}, which is not followed from here", url, hash)));
    }
    return assembled;
}

}  // namespace decloud::client::internal
