#include "x402_challenge.hpp"

#include "error.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/payments/x402_message.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace decloud::client {

namespace {

constexpr std::size_t kMaxRows = 64;
constexpr std::size_t kMaxDepth = 24;
constexpr std::size_t kMaxText = 512;
constexpr std::size_t kMaxHash = 66;
constexpr std::string_view kCaip2 = "eip155:";
constexpr std::string_view kErc20 = "/erc20:";

Result<std::uint64_t> parse_chain_id(std::string_view text) {
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size() || text.starts_with('0')) {
        return fail(CommonError::invalid_input, "a chain id is a number");
    }
    return id;
}

Result<std::string> short_text(const json::Object& object, std::string_view name) {
    TRY(std::string text, json::string_member(object, name));
    if (text.size() > kMaxText) {
        return fail(CommonError::invalid_input, std::string(name) + ": too long");
    }
    return text;
}

/// v1 has names; which chain that is comes out when tokens are compared.
Result<std::uint64_t> chain_of(int version, const std::string& network) {
    if (version == 2) {
        if (!network.starts_with(kCaip2)) {
            return fail(CommonError::invalid_input, "network: not an EVM chain");
        }
        return parse_chain_id(std::string_view(network).substr(kCaip2.size()));
    }
    return payments::x402_chain_id(network);
}

Result<X402Terms> parse_row(int version, const json::Object& row) {
    X402Terms out;
    TRY(const std::string scheme, short_text(row, "scheme"));
    if (scheme != "exact") {
        return fail(CommonError::invalid_input, "scheme: not exact");
    }
    TRY(out.network, short_text(row, "network"));
    TRY(out.token.chain_id, chain_of(version, out.network));
    TRY(const std::string asset, short_text(row, "asset"));
    TRY(out.token.address, parse_address(asset));
    TRY(const std::string pay_to, short_text(row, "payTo"));
    TRY(out.pay_to, parse_address(pay_to));
    TRY(const std::string amount, short_text(row, version == 1 ? "maxAmountRequired" : "amount"));
    TRY(out.amount, parse_amount(amount));
    TRY(const std::uint64_t timeout, json::uint_member(row, "maxTimeoutSeconds"));
    out.max_timeout = std::chrono::seconds(std::min<std::uint64_t>(timeout, UINT32_MAX));
    TRY(const json::Object extra, json::object_member(row, "extra"));
    if (extra.contains("assetTransferMethod")) {
        TRY(const std::string method, short_text(extra, "assetTransferMethod"));
        if (method != "eip3009") {
            return fail(CommonError::invalid_input, "assetTransferMethod: not eip3009");
        }
    }
    TRY(out.token_name, short_text(extra, "name"));
    TRY(out.token_version, short_text(extra, "version"));
    if (out.pay_to.is_zero() || out.token.address.is_zero()) {
        return fail(CommonError::invalid_input, "payTo and asset are accounts");
    }
    out.row = row;
    return out;
}

Result<X402Challenge> parse_challenge(int version, std::string_view text, std::size_t max_bytes) {
    TRY(const json::Value value,
        json::parse(text, {.max_bytes = max_bytes, .max_depth = kMaxDepth}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "not an object");
    }
    const json::Object& object = value.get_object();
    TRY(const std::uint64_t said, json::uint_member(object, "x402Version"));
    if (said != static_cast<std::uint64_t>(version)) {
        return fail(CommonError::invalid_input, "x402Version: another than expected");
    }
    X402Challenge out;
    out.version = version;
    if (const auto error = json::string_member(object, "error")) {
        out.error = error->substr(0, kMaxText);
    }
    TRY(const json::Array rows, json::array_member(object, "accepts"));
    if (rows.size() > kMaxRows) {
        return fail(CommonError::invalid_input, "accepts: too many rows");
    }
    for (const json::Value& row : rows) {
        auto terms = row.is_object() ? parse_row(version, row.get_object())
                                     : fail(CommonError::invalid_input, "not an object");
        if (terms) {
            out.terms.push_back(std::move(*terms));
        } else {
            ++out.skipped;
        }
    }
    if (version == 2) {
        if (auto resource = json::object_member(object, "resource")) {
            out.resource = std::move(*resource);
        }
        const auto extensions = json::object_member(object, "extensions");
        out.takes_identifier = extensions && extensions->contains("payment-identifier");
    }
    return out;
}

}  // namespace

std::string TokenId::to_string() const {
    return fmt::format("{}{}{}{}", kCaip2, chain_id, kErc20, decloud::to_string(address));
}

Result<TokenId> parse_token_id(std::string_view text) {
    const std::size_t split = text.find(kErc20);
    if (!text.starts_with(kCaip2) || split == std::string_view::npos) {
        return fail(CommonError::invalid_input,
            "\"" + std::string(text.substr(0, kMaxText)) + "\" is not eip155:CHAIN/erc20:ADDRESS");
    }
    TokenId out;
    TRY(out.chain_id, parse_chain_id(text.substr(kCaip2.size(), split - kCaip2.size())));
    TRY(out.address, parse_address(text.substr(split + kErc20.size())));
    return out;
}

Result<X402Challenge> parse_x402_header(std::string_view header) {
    if (header.size() > kMaxChallengeHeader) {
        return fail(CommonError::invalid_input, "PAYMENT-REQUIRED is too long");
    }
    TRY(const Bytes text, from_base64(header));
    return parse_challenge(2, as_text(text), kMaxChallengeHeader);
}

Result<X402Challenge> parse_x402_body(BytesView body) {
    return parse_challenge(1, as_text(body), kMaxChallengeBody);
}

Result<X402Challenge> read_x402_challenge(std::optional<std::string_view> header, BytesView body) {
    Result<X402Challenge> second =
        header ? parse_x402_header(*header) : fail(CommonError::not_found, "no header");
    if (second && !second->terms.empty()) {
        return second;
    }
    auto first = parse_x402_body(body);
    if (first && (!first->terms.empty() || !second)) {
        return first;
    }
    if (second) {
        return second;
    }
    return fail(CommonError::invalid_input,
        header ? "its PAYMENT-REQUIRED cannot be read: " + second.error().detail()
               : "it does not say by x402 what it wants");
}

Result<X402Terms> choose_terms(const X402Challenge& challenge, const std::vector<TokenId>& tokens) {
    const X402Terms* best = nullptr;
    std::string others;
    for (const X402Terms& terms : challenge.terms) {
        if (std::ranges::find(tokens, terms.token) == tokens.end()) {
            others += (others.empty() ? "" : ", ") + terms.token.to_string();
        } else if (best == nullptr || terms.amount < best->amount) {
            best = &terms;
        }
    }
    if (best != nullptr) {
        return *best;
    }
    if (others.empty()) {
        return fail(ClientError::payment,
            "it takes no x402 payment by scheme exact and EIP-3009 on an EVM chain");
    }
    return fail_with_help(ClientError::payment, "it wants " + others + ", which is not spent here",
        "tokens under [spending] in config.toml lists what counts as USDC");
}

Result<X402Settlement> parse_x402_settlement(std::string_view header) {
    if (header.size() > kMaxChallengeHeader) {
        return fail(CommonError::invalid_input, "the payment's result is too long");
    }
    TRY(const Bytes text, from_base64(header));
    TRY(const json::Value value,
        json::parse(as_text(text), {.max_bytes = kMaxChallengeHeader, .max_depth = kMaxDepth}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "not an object");
    }
    const json::Object& object = value.get_object();
    X402Settlement out;
    TRY(out.success, json::bool_member(object, "success"));
    const auto hash = json::string_member(object, "transaction");
    if (hash && hash->size() == kMaxHash) {
        if (const auto parsed = parse_bytes32(*hash)) {
            out.transaction = *parsed;
        }
    }
    if (const auto reason = json::string_member(object, "errorReason")) {
        out.error = reason->substr(0, kMaxText);
    }
    return out;
}

}  // namespace decloud::client
