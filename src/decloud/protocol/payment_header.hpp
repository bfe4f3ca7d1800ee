#pragma once

#include "structured_fields.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <string>
#include <string_view>

namespace decloud::protocol {

/// What `OpenCloud-Payment` says: `none`, `attached;method="…";payload=:…:` or `defer;…`.
struct PaymentHeader {
    /// Whether the request brings a payment, or asks to pay later.
    enum class Type { none, attached, deferred };
    Type type = Type::none;
    /// For `attached`: which payment method reads `payload`.
    std::string method;
    Bytes payload;
    /// The whole item, for methods with parameters of their own.
    Item item;
};

/// Error: invalid_input.
[[nodiscard]] Result<PaymentHeader> parse_payment_header(std::string_view field);
/// `attached;method="…";payload=:…:`.
[[nodiscard]] std::string format_attached_payment(std::string_view method, BytesView payload);

}  // namespace decloud::protocol
