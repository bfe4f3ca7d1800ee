#pragma once

#include "delegation.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/ed25519.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace decloud::identity {

/// Where a gateway takes tunnels, what it speaks on them, and the label of RFC 8446's exporter.
inline constexpr std::string_view kTunnelPath = "/.well-known/decloud/tunnel";
inline constexpr std::string_view kTunnelProtocol = "decloud-tunnel-1";
inline constexpr std::string_view kTunnelExporter = "EXPORTER-decloud-tunnel-1";

/// What a provider says at the gateway's end of a tunnel: that it answers for a name.
struct TunnelClaim {
    /// Full: "alice.decloud".
    std::string name;
    /// Of the claims for a name only those with the highest count.
    std::uint64_t epoch = 0;
    /// Tells processes of one epoch apart: hexadecimal.
    std::string instance;
    Signed<Delegation> delegation;
    crypto::Ed25519Signature signature;
};

/// To what one signature is bound besides the claim.
struct TunnelContext {
    /// As dialled: host, and port if one was named.
    std::string host;
    /// The gateway's, fresh for each tunnel: hexadecimal.
    std::string nonce;
    /// Of the TLS connection; empty without TLS.
    Bytes exporter;
};

/// Signs; `claim.signature` is filled in.
void sign_tunnel_claim(
    TunnelClaim& claim, const TunnelContext& context, const crypto::Ed25519PrivateKey& key);
/// Whether that key signed it.
[[nodiscard]] bool is_signed_by(
    const TunnelClaim& claim, const TunnelContext& context, const crypto::Ed25519PublicKey& key);

/// RFC 8785's form, and back. Error: invalid_input naming the member.
[[nodiscard]] std::string format_tunnel_claim(const TunnelClaim& claim);
[[nodiscard]] Result<TunnelClaim> parse_tunnel_claim(std::string_view text);

}  // namespace decloud::identity
