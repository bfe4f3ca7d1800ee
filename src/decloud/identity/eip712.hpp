#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace decloud::identity {

/// Where decloud's signed structs are valid: `{name:"decloud", version:"1", chainId,
/// verifyingContract}`.
struct Domain {
    std::uint64_t chain_id = 0;
    Address escrow{};
    friend bool operator==(const Domain&, const Domain&) = default;
};

/// EIP-712's domain separator of `domain`.
[[nodiscard]] Bytes32 domain_separator(const Domain& domain);

/// The separator under which the escrow takes vouchers and releases: "EVM Payment Channel", "1".
[[nodiscard]] Bytes32 voucher_domain_separator(const Domain& domain);

/// keccak256(0x19 0x01 ‖ separator ‖ struct hash): what an account signs.
[[nodiscard]] Bytes32 typed_data_digest(const Bytes32& separator, const Bytes32& struct_hash);

/// EIP-712's hashStruct: feed the members in the order of the type string. Not thread safe.
class StructHasher {
  public:
    /// `type` is the encoded type: "Revocation(bytes32 specHash,address owner,uint64 created)".
    explicit StructHasher(std::string_view type);

    /// A bytes32 member. Every `add` returns this hasher.
    StructHasher& add(const Bytes32& word);
    /// An address member.
    StructHasher& add(const Address& address);
    /// An integer member, uint8 to uint256.
    StructHasher& add(Uint128 value);
    /// A bytes32[] member.
    StructHasher& add(std::span<const Bytes32> words);
    /// A `string` or `bytes` member.
    StructHasher& add_dynamic(BytesView bytes);
    /// The struct's hash, of what was added so far.
    [[nodiscard]] Bytes32 finish() const;

  private:
    Bytes encoded_;
};

}  // namespace decloud::identity
