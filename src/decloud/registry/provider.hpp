#pragma once

#include "error.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/registry.hpp>
#include <decloud/crypto/rsa.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/net/url.hpp>

#include <cstdint>
#include <optional>

namespace decloud::registry {

/// What the registry says about a provider, checked. Design §3.
struct Provider {
    identity::ProviderName name;
    /// Its account on chain.
    Address address;
    /// The base URL: http or https, without a path.
    net::Url url;
    /// Deployments are encrypted to it; a provider of public functions only may have none.
    std::optional<crypto::RsaPublicKey> rsa_key;
    /// Delegations of an earlier epoch are revoked.
    std::uint64_t lowest_epoch = 0;
};

/// Checks what a stranger wrote on chain. Error: unusable_record naming the provider and the text.
[[nodiscard]] Result<Provider> parse_provider(
    const identity::ProviderName& name, const chain::ProviderRecord& record);

/// Finds providers by name. Single threaded.
class ProviderSource {
  public:
    virtual ~ProviderSource() = default;
    /// Errors: those of RegistryError. A waiting call ends when it is cancelled.
    [[nodiscard]] virtual async::Task<Result<Provider>> find(identity::ProviderName name) = 0;
};

}  // namespace decloud::registry
