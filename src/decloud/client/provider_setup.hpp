#pragma once

#include "account_signer.hpp"
#include "chain_session.hpp"
#include "home.hpp"
#include "wallet.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/identity/delegation.hpp>
#include <decloud/identity/keystore.hpp>
#include <decloud/identity/names.hpp>

#include <string>

namespace decloud::client {

/// What the chain is to say about a provider.
struct ProviderRegistration {
    identity::ProviderName name;
    std::string url;
    /// JWK text of the key that specs are encrypted to.
    std::string rsa_jwk;
    /// May settle for the provider.
    Address settler;
};

/// What `register_provider` had to do.
struct RegistrationChanges {
    bool name_registered = false;
    bool records_set = false;
    bool settler_set = false;
};

/// Makes the chain say what `registration` says and leaves alone what is right already: name by
/// commit and reveal, resolver, records, settler (for a year, renewed in its last month). Errors:
/// ClientError::not_authorised if the name is somebody else's; the wallet's.
[[nodiscard]] async::Task<Result<RegistrationChanges>> register_provider(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    ChainSession& session,
    Wallet& wallet,
    ProviderRegistration registration,
    const Clock& clock
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
);

/// The account's word that the node's identity key may sign: the stored one if it fits, is of this
/// chain and lasts beyond its warning time; else a new one for 90 days, stored. One that is within
/// its warning time is kept if the account is encrypted and nobody gave the passphrase. Errors:
/// not_found if one is needed and the account's key is not in `keys`; `KeyStore::account`'s.
[[nodiscard]] Result<identity::Signed<identity::Delegation>> ensure_delegation(
    const std::filesystem::path& file,
    identity::KeyStore& keys,
    const std::string& account,
    const identity::ProviderName& name,
    const identity::Domain& domain,
    UnixSeconds now);

/// Another identity key for the node, and the account's word on it in the next epoch, stored. If
/// this ends in the middle, `ensure_delegation` does the rest. Errors: the key store's.
[[nodiscard]] Result<identity::Signed<identity::Delegation>> rotate_identity(
    const std::filesystem::path& file,
    identity::KeyStore& keys,
    const AccountSigner& account,
    const identity::ProviderName& name,
    const identity::Domain& domain,
    UnixSeconds now);
/// Calldata for the resolver: delegations of this name below `epoch` are not valid any more.
[[nodiscard]] Bytes encode_lowest_epoch(const identity::ProviderName& name, std::uint64_t epoch);

}  // namespace decloud::client
