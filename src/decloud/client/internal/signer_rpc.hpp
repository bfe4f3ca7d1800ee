#pragma once

#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace decloud::client::internal {

/// A method as wallets call it, and as clef does; empty: clef has none.
struct SignerMethod {
    std::string_view common;
    std::string_view clef;
};

/// Asks an external signer (JSON-RPC over HTTP), under the one name of the method or the other.
/// `for_clef` is one parameter more for clef. Blocks until somebody has decided, ten minutes at
/// most. Nothing: the signer has no such method. Errors: ClientError::not_authorised with its
/// reason if it refuses, remote, NetError.
[[nodiscard]] Result<std::optional<json::Value>> ask_signer(const std::string& url,
    const SignerMethod& method,
    json::Array params,
    std::optional<std::string_view> for_clef = std::nullopt);

}  // namespace decloud::client::internal
