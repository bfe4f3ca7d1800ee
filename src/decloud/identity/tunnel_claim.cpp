#include "tunnel_claim.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace decloud::identity {

namespace {

constexpr std::size_t kMostBytes = 8192;
constexpr std::size_t kMostText = 255;

/// No part has a line end, so that no two claims read the same.
std::string transcript(const TunnelClaim& claim, const TunnelContext& context) {
    return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", kTunnelProtocol, context.host, context.nonce,
        to_hex(context.exporter), claim.name, claim.epoch, claim.instance);
}

Result<std::string> plain_text(const json::Object& object, std::string_view name) {
    TRY(std::string text, json::string_member(object, name));
    if (text.empty() || text.size() > kMostText ||
        std::ranges::any_of(text, [](char character) { return character <= ' '; })) {
        return fail(CommonError::invalid_input, fmt::format("a bad {}", name));
    }
    return text;
}

}  // namespace

void sign_tunnel_claim(
    TunnelClaim& claim, const TunnelContext& context, const crypto::Ed25519PrivateKey& key) {
    claim.signature = key.sign(as_bytes(transcript(claim, context)));
}

bool is_signed_by(
    const TunnelClaim& claim, const TunnelContext& context, const crypto::Ed25519PublicKey& key) {
    return crypto::verify(key, as_bytes(transcript(claim, context)), claim.signature.bytes);
}

std::string format_tunnel_claim(const TunnelClaim& claim) {
    return json::to_text(json::Object{{"delegation", to_json(claim.delegation)},
        {"epoch", std::to_string(claim.epoch)}, {"instance", claim.instance}, {"name", claim.name},
        {"signature", to_base64url(claim.signature.bytes)}});
}

Result<TunnelClaim> parse_tunnel_claim(std::string_view text) {
    TRY(const json::Value value, json::parse(text, {.max_bytes = kMostBytes, .max_depth = 4}));
    if (!value.is_object()) {
        return fail(CommonError::invalid_input, "a claim is a JSON object");
    }
    const json::Object& object = value.get_object();
    TRY(const json::Object delegation, json::object_member(object, "delegation"));
    TRY(Signed<Delegation> statement, from_json<Delegation>(delegation));
    TunnelClaim claim{
        .name = {}, .epoch = 0, .instance = {}, .delegation = statement, .signature = {}};
    TRY(claim.name, plain_text(object, "name"));
    TRY(claim.instance, plain_text(object, "instance"));
    TRY(const std::string epoch, plain_text(object, "epoch"));
    const char* const end = epoch.data() + epoch.size();
    const auto [stop, error] = std::from_chars(epoch.data(), end, claim.epoch);
    if (stop != end || error != std::errc{}) {
        return fail(CommonError::invalid_input, "a bad epoch");
    }
    TRY(const std::string signature_text, plain_text(object, "signature"));
    TRY(const Bytes signature, from_base64url(signature_text));
    if (signature.size() != claim.signature.bytes.size()) {
        return fail(CommonError::invalid_input, "a bad signature");
    }
    std::ranges::copy(signature, claim.signature.bytes.begin());
    return claim;
}

}  // namespace decloud::identity
