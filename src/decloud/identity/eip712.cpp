#include "eip712.hpp"

#include <decloud/crypto/hash.hpp>

namespace decloud::identity {

StructHasher::StructHasher(std::string_view type) {
    encoded_.reserve(320);
    append(encoded_, crypto::keccak256(type).view());
}

StructHasher& StructHasher::add(const Bytes32& word) {
    append(encoded_, word.view());
    return *this;
}

StructHasher& StructHasher::add(const Address& address) {
    encoded_.insert(encoded_.end(), Bytes32::kSize - Address::kSize, 0);
    append(encoded_, address.view());
    return *this;
}

StructHasher& StructHasher::add(Uint128 value) {
    append(encoded_, Uint256::from(value).big_endian);
    return *this;
}

StructHasher& StructHasher::add(std::span<const Bytes32> words) {
    Bytes packed;
    packed.reserve(words.size() * Bytes32::kSize);
    for (const Bytes32& word : words) {
        append(packed, word.view());
    }
    return add(crypto::keccak256(packed));
}

StructHasher& StructHasher::add_dynamic(BytesView bytes) { return add(crypto::keccak256(bytes)); }

Bytes32 StructHasher::finish() const { return crypto::keccak256(encoded_); }

namespace {

Bytes32 separator_of(std::string_view name, const Domain& domain) {
    return StructHasher(
        "EIP712Domain(string name,string version,uint256 chainId,"
        "address verifyingContract)")
        .add_dynamic(as_bytes(name))
        .add_dynamic(as_bytes("1"))
        .add(Uint128{domain.chain_id})
        .add(domain.escrow)
        .finish();
}

}  // namespace

Bytes32 domain_separator(const Domain& domain) { return separator_of("decloud", domain); }

Bytes32 voucher_domain_separator(const Domain& domain) {
    return separator_of("EVM Payment Channel", domain);
}

Bytes32 typed_data_digest(const Bytes32& separator, const Bytes32& struct_hash) {
    Bytes message{0x19, 0x01};
    append(message, separator.view());
    append(message, struct_hash.view());
    return crypto::keccak256(message);
}

}  // namespace decloud::identity
