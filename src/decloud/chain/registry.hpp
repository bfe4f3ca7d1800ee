#pragma once

#include "ethereum.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <string>

namespace decloud::chain {

/// What the registry says about a provider. Texts are as strangers wrote them: parse before use.
struct ProviderRecord {
    Address address{};
    /// The text record `url`.
    std::string url{};
    /// The text record `org.decloud.rsa-jwk`.
    std::string rsa_jwk{};
    /// The text record `org.decloud.lowest-epoch`; 0 if there is none.
    std::uint64_t lowest_epoch = 0;
    Address resolver{};
    friend bool operator==(const ProviderRecord&, const ProviderRecord&) = default;
};

/// Reads names. Single threaded.
class RegistryView {
  public:
    /// `registry` is the contract's address; `client` outlives this.
    RegistryView(EthereumClient& client, Address registry) : client_(client), registry_(registry) {}

    /// The contract's.
    [[nodiscard]] const Address& address() const { return registry_; }
    /// `node` is the name's namehash. Errors: ChainError::not_found for a name without resolver or
    /// address, limit_exceeded for a record over 8 KiB, EthereumClient's.
    [[nodiscard]] async::Task<Result<ProviderRecord>> resolve(
        Bytes32 node, BlockTag tag = BlockTag::latest());
    /// Zero if nobody owns it.
    [[nodiscard]] async::Task<Result<Address>> owner(
        Bytes32 node, BlockTag tag = BlockTag::latest());

  private:
    EthereumClient& client_;
    Address registry_;
};

}  // namespace decloud::chain
