#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/crypto/secp256k1.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace decloud::chain {

/// What a transaction says it will touch (EIP-2930).
struct AccessListEntry {
    Address address{};
    std::vector<Bytes32> storage_keys{};
};

/// EIP-1559. Prices in wei per gas.
struct Transaction {
    std::uint64_t chain_id = 0;
    std::uint64_t nonce = 0;
    Uint128 max_priority_fee_per_gas = 0;
    Uint128 max_fee_per_gas = 0;
    std::uint64_t gas_limit = 0;
    /// None: creates a contract.
    std::optional<Address> to{};
    Uint128 value = 0;
    Bytes data{};
    std::vector<AccessListEntry> access_list{};
};

/// A transaction that can be broadcast.
struct SignedTransaction {
    /// 0x02 ‖ RLP, as eth_sendRawTransaction takes it.
    Bytes raw{};
    Bytes32 hash{};
};

/// Keccak-256 of 0x02 ‖ RLP of the unsigned fields: what the sender signs (EIP-1559).
[[nodiscard]] Bytes32 signing_digest(const Transaction& transaction);
/// Signs for the account of `key`; no check that nonce, fees or chain are right.
[[nodiscard]] SignedTransaction sign(
    const Transaction& transaction, const crypto::Secp256k1PrivateKey& key);

/// With a signature that was made elsewhere; not checked.
[[nodiscard]] SignedTransaction with_signature(
    const Transaction& transaction, const crypto::EcdsaSignature& signature);
/// `raw`, if it is exactly this transaction signed by `sender`. Error: invalid_input saying how it
/// differs.
[[nodiscard]] Result<SignedTransaction> check_signed(
    const Transaction& transaction, const Address& sender, BytesView raw);

/// The address of the contract that `creator` makes with `nonce`.
[[nodiscard]] Address contract_address(const Address& creator, std::uint64_t nonce);

}  // namespace decloud::chain
