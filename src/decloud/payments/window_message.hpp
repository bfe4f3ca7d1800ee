#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/hash.hpp>
#include <decloud/identity/signed_structs.hpp>
#include <decloud/protocol/payment_header.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace decloud::payments {

/// The method's name in the payment header.
inline constexpr std::string_view kWindowMethod = "window";
/// How far ahead a window's `validBefore` may lie.
inline constexpr std::uint64_t kLongestWindowSeconds = 600;
/// Sequences are integers of RFC 9651.
inline constexpr std::uint64_t kHighestSequence = 999'999'999'999'999;

/// What a call says that is paid for from a channel with a signer:
/// `OpenCloud-Payment: attached;method="window";payload=:MAC:;channel=:id:;sequence=17`, with
/// `voucher` and `window` (RFC 8785 JSON of the signed structs) and `key` (the JWE of the window's
/// key for the provider's RSA key) as further byte sequences where they are new.
struct WindowPayment {
    /// A window's first call brings it.
    struct Opening {
        identity::Signed<identity::Window> window;
        std::string encrypted_key;
    };

    Bytes32 channel{};
    std::uint64_t sequence = 0;
    crypto::Sha256Digest mac{};
    std::optional<identity::Signed<identity::Voucher>> voucher{};
    std::optional<Opening> opening{};
};

/// Checks no signature. A voucher or window must be of the named channel. Error: invalid_input.
[[nodiscard]] Result<WindowPayment> parse_window_payment(const protocol::PaymentHeader& header);
/// The header's value. Error: invalid_input for a sequence above the highest.
[[nodiscard]] Result<std::string> format_window_payment(const WindowPayment& payment);

/// HMAC-SHA-256 by the window's key over "decloud window 1" ‖ channel ‖ sequence (8 bytes, the
/// highest first) ‖ RequestDigest.
[[nodiscard]] crypto::Sha256Digest window_mac(
    BytesView key, const Bytes32& channel, std::uint64_t sequence, const Bytes32& request_digest);

}  // namespace decloud::payments
