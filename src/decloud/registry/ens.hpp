#pragma once

#include "provider.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/registry.hpp>
#include <decloud/identity/names.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace decloud::registry {

/// Where names of the Ethereum Name Service (EIP-137) are looked up.
struct EnsSettings {
    /// JSON-RPC endpoints of its chain; none: ENS is not asked.
    std::vector<std::string> rpc_urls{};
    /// The chain's, which is insisted on.
    std::uint64_t chain_id = 1;
    /// ENSRegistry, at the same address on Ethereum and its test chains.
    Address registry = default_registry();
    /// A block this far below the head is final for us.
    std::uint64_t finality_depth = 2;

    [[nodiscard]] static Address default_registry();
};

/// True for names under `.eth`.
[[nodiscard]] bool is_ens_name(const identity::ProviderName& name);

/// One name of a registry, asked now. Errors: RegistryError::unknown_provider, unusable_record; the
/// view's.
[[nodiscard]] async::Task<Result<Provider>> find_now(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    chain::RegistryView& view,
    identity::ProviderName name);
/// What ENS says of a name, asked now. Errors: as `RegistryView::resolve`; ChainError::wrong_chain.
[[nodiscard]] async::Task<Result<chain::ProviderRecord>> resolve_by_ens(
    async::Executor executor, EnsSettings settings, identity::ProviderName name);
/// The provider of that name. Errors: as `find_now`; ChainError::wrong_chain.
[[nodiscard]] async::Task<Result<Provider>> find_by_ens(
    async::Executor executor, EnsSettings settings, identity::ProviderName name);

/// Names under `.eth` by ENS, cached and followed as `ProviderDirectory` does, all others by
/// another source; without endpoints that one has all of them. Single threaded.
class EnsDirectory final : public ProviderSource {
  public:
    /// `others` and `clock` outlive this.
    EnsDirectory(
        async::Executor executor, EnsSettings settings, ProviderSource& others, const Clock& clock);
    /// `stop` must have ended.
    ~EnsDirectory() override;
    EnsDirectory(const EnsDirectory&) = delete;
    EnsDirectory& operator=(const EnsDirectory&) = delete;

    [[nodiscard]] async::Task<Result<Provider>> find(identity::ProviderName name) override;
    /// Follows ENS until cancelled; ends at once without endpoints.
    [[nodiscard]] async::Task<void> run();
    /// Ends lookups and closes connections.
    [[nodiscard]] async::Task<void> stop();

  private:
    struct Chain;
    ProviderSource& others_;
    /// Null without endpoints.
    std::unique_ptr<Chain> chain_;
};

}  // namespace decloud::registry
