#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/crypto/ed25519.hpp>
#include <decloud/protocol/service.hpp>

#include <chrono>
#include <memory>
#include <string_view>

namespace decloud::pipeline {

/// How long a quote is kept to.
inline constexpr std::chrono::minutes kQuoteLife{10};

/// Who promises a quote.
struct QuoteSigner {
    /// Null: nobody; then there are no quotes.
    const crypto::Ed25519PrivateKey* key = nullptr;
    UnixSeconds now;
};

/// True for `info`, `methods` and `quote`, which every service has.
[[nodiscard]] bool is_template_method(std::string_view method);

/// A call of one of them; free. Problems: 400 for wrong arguments, 404 for a quote of a method that
/// is not there.
[[nodiscard]] protocol::Checked<std::unique_ptr<protocol::PreparedCall>> make_template_call(
    const protocol::ServiceDescription& description,
    const protocol::Call& call,
    QuoteSigner signer);

/// The members of `methods`' rows, also used by the OpenAPI description.
[[nodiscard]] json::Object to_json(const protocol::MethodDescription& method);

}  // namespace decloud::pipeline
