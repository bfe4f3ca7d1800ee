#pragma once

#include <decloud/base/evm_types.hpp>
#include <decloud/net/http/message.hpp>
#include <decloud/protocol/problem.hpp>

#include <optional>
#include <string>

namespace decloud::gateway::internal {

/// True if the request brings a payment or a signature, which hold for one path at one provider.
[[nodiscard]] bool is_bound(const net::http::Headers& headers);

/// The account of the provider for whom a request says it is: by `OpenCloud-Audience`, or by whom
/// its payment pays. Nothing if it says none. Problem: 400 for two, and for a payment that names
/// nobody, as it would be worth nothing at a provider that is chosen here.
[[nodiscard]] protocol::Checked<std::optional<Address>> named_provider(
    const net::http::Headers& headers);

/// Who pays, as far as the request says so, which nobody has checked: an account, or a channel.
/// Nothing: its payment does not tell, or there is none.
[[nodiscard]] std::optional<std::string> named_payer(const net::http::Headers& headers);

}  // namespace decloud::gateway::internal
