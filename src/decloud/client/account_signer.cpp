#include "account_signer.hpp"

#include "error.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/chain/checksum.hpp>
#include <decloud/contracts/signatures.hpp>
#include <decloud/identity/error.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <optional>
#include <utility>

namespace decloud::client {

namespace {

/// Somebody may have to read it and to find a device.
constexpr auto kDecision = std::chrono::minutes(10);
constexpr std::uint64_t kMaxAnswer = std::uint64_t{4} << 20U;
constexpr std::int64_t kNoSuchMethod = -32601;

/// As wallets call it, and as clef does.
struct Method {
    std::string_view common;
    std::string_view clef;
};
constexpr Method kSignTypedData{"eth_signTypedData_v4", "account_signTypedData"};
constexpr Method kSignTransaction{"eth_signTransaction", "account_signTransaction"};

async::Task<void> post(
    net::http::Client* client, net::Url url, std::string body, Result<Bytes>* out) {
    net::http::ClientRequest request{.method = "POST",
        .target = {},
        .headers = {},
        .body = to_bytes(std::string_view(body)),
        .on_continue = {}};
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Accept", "application/json");
    auto response = co_await client->request(std::move(url), std::move(request));
    *out = response ? co_await response->read_all(kMaxAnswer)
                    : Result<Bytes>(fail(std::move(response.error())));
    co_await client->stop();
}

/// One request on a loop of its own, so that whoever asks need not be a coroutine.
Result<json::Object> exchange(
    const std::string& url_text, std::string_view method, const json::Array& params) {
    TRY(const net::Url url, net::parse_url(url_text));
    const json::Object question{
        {"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
    boost::asio::io_context loop;
    net::http::ClientSettings settings;
    settings.head_timeout = kDecision;
    settings.replay_idempotent = false;
    net::http::Client client(loop.get_executor(), settings, net::OutboundPolicy::trusted());
    Result<Bytes> answer = fail(CommonError::internal);
    async::TaskGroup group(loop.get_executor());
    group.spawn(post(&client, url, json::to_text(question), &answer));
    loop.run();
    if (!answer) {
        return fail(answer.error().within("the signer at " + url_text));
    }
    const auto value = json::parse(as_text(*answer), {.max_bytes = kMaxAnswer});
    if (!value || !value->is_object()) {
        return fail(ClientError::remote, "the signer at " + url_text + " does not answer in JSON");
    }
    return value->get_object();
}

/// The result, under the one name of the method or the other.
Result<json::Value> ask(const std::string& url,
    const Method& method,
    json::Array params,
    std::optional<std::string_view> for_clef = std::nullopt) {
    for (const std::string_view name : {method.common, method.clef}) {
        if (name == method.clef && for_clef) {
            params.emplace_back(*for_clef);
        }
        TRY(const json::Object answer, exchange(url, name, params));
        if (const auto* const result = answer.if_contains("result");
            result != nullptr && !result->is_null()) {
            return *result;
        }
        const json::Object error = json::object_member(answer, "error").value_or(json::Object{});
        const auto* const code = error.if_contains("code");
        const bool unknown =
            code != nullptr && code->is_int64() && code->get_int64() == kNoSuchMethod;
        if (!unknown || name == method.clef) {
            return fail_with_help(ClientError::not_authorised,
                fmt::format("the signer at {} did not sign: {}", url,
                    json::string_member(error, "message").value_or("it gives no reason")),
                "look at the signer: it has to hold the key, and somebody has to agree there");
        }
    }
    return fail(CommonError::internal);
}

Result<Bytes> bytes_of(const json::Value& value) {
    if (!value.is_string()) {
        return fail(ClientError::remote, "the signer's answer is not hexadecimal");
    }
    return from_hex(value.get_string());
}

std::string quantity(Uint128 value) {
    std::string digits;
    do {
        digits.insert(digits.begin(), "0123456789abcdef"[static_cast<unsigned>(value & 15U)]);
        value >>= 4U;
    } while (value != 0);
    return "0x" + digits;
}

json::Object to_json(const chain::Transaction& transaction, const Address& from) {
    json::Object out{{"from", chain::checksummed(from)}, {"gas", quantity(transaction.gas_limit)},
        {"maxFeePerGas", quantity(transaction.max_fee_per_gas)},
        {"maxPriorityFeePerGas", quantity(transaction.max_priority_fee_per_gas)},
        {"value", quantity(transaction.value)}, {"nonce", quantity(transaction.nonce)},
        {"chainId", quantity(transaction.chain_id)}, {"data", to_hex_prefixed(transaction.data)}};
    if (transaction.to) {
        out["to"] = chain::checksummed(*transaction.to);
    }
    return out;
}

/// geth and clef answer with an object, others with the bytes alone.
Result<Bytes> raw_transaction(const json::Value& answer) {
    if (!answer.is_object()) {
        return bytes_of(answer);
    }
    const auto* const raw = answer.get_object().if_contains("raw");
    return raw == nullptr ? bytes_of(json::Value()) : bytes_of(*raw);
}

}  // namespace

AccountSigner::AccountSigner(crypto::Secp256k1PrivateKey key)
    : key_(std::make_shared<const crypto::Secp256k1PrivateKey>(std::move(key))),
      address_(key_->address()) {}

AccountSigner::AccountSigner(const Address& account, std::string url)
    : address_(account), url_(std::move(url)) {}

Result<crypto::EcdsaSignature> AccountSigner::ask_for_signature(json::Object typed_data) const {
    TRY(const json::Value answer,
        ask(url_, kSignTypedData, {chain::checksummed(address_), std::move(typed_data)}));
    TRY(Bytes bytes, bytes_of(answer));
    if (bytes.size() == crypto::EcdsaSignature{}.bytes.size() && bytes.back() < 27) {
        bytes.back() = static_cast<std::uint8_t>(bytes.back() + 27);
    }
    const auto signature = crypto::EcdsaSignature::from(bytes);
    if (!signature) {
        return fail(IdentityError::bad_signature,
            "the signer at " + url_ + " gave something else than 65 bytes");
    }
    return *signature;
}

Result<crypto::EcdsaSignature> AccountSigner::sign(
    const Bytes32& digest, json::Object typed_data) const {
    if (key_) {
        return key_->sign(digest);
    }
    TRY(const auto signature, ask_for_signature(std::move(typed_data)));
    const auto signer = crypto::recover(digest, signature.view());
    if (!signer || *signer != address_) {
        return fail(IdentityError::bad_signature,
            "the signer at " + url_ + " signed something else, or for another account than " +
                to_string(address_));
    }
    return signature;
}

Result<chain::SignedTransaction> AccountSigner::sign(const chain::Transaction& transaction) {
    if (key_) {
        return chain::sign(transaction, *key_);
    }
    // clef refuses calls of functions that it cannot name.
    const std::string_view function = contracts::function_signature(transaction.data);
    TRY(const json::Value answer, ask(url_, kSignTransaction, {to_json(transaction, address_)},
                                      function.empty() ? std::nullopt : std::optional(function)));
    TRY(const Bytes raw, raw_transaction(answer));
    auto checked = chain::check_signed(transaction, address_, raw);
    if (!checked) {
        return fail(IdentityError::bad_signature,
            "the signer at " + url_ + " signed another transaction: " + checked.error().detail());
    }
    return checked;
}

Result<AccountSigner> open_signer(const identity::KeyStore& keys, const std::string& account) {
    TRY(const identity::AccountEntry entry, keys.describe(account));
    if (!entry.external.empty()) {
        return AccountSigner(entry.address, entry.external);
    }
    TRY(auto key, keys.account(account));
    return AccountSigner(std::move(key));
}

}  // namespace decloud::client
