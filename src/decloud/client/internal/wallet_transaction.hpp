#pragma once

#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/transaction.hpp>

#include <string>

namespace decloud::client::internal {

/// As `eth_signTransaction` and `eth_sendTransaction` take it, addresses in EIP-55's form.
[[nodiscard]] json::Object to_json(const chain::Transaction& transaction, const Address& from);

/// Has a wallet that gives no signed transaction away send this one itself
/// (`eth_sendTransaction`), and gives what it has sent, as the wallet shows it. Its gas and its
/// fees may be others than were asked for; all else is checked by the hash and the signature.
/// Blocks for up to ten minutes for the decision, then for a minute until the transaction can be
/// seen. Errors: `ask_signer`'s; IdentityError::bad_signature naming the hash if something else was
/// sent; ClientError::remote naming it if it cannot be seen.
[[nodiscard]] Result<chain::SignedTransaction> send_by_wallet(
    const std::string& url, const chain::Transaction& transaction, const Address& sender);

}  // namespace decloud::client::internal
