#include "transaction.hpp"

#include "rlp.hpp"

#include <decloud/crypto/hash.hpp>

#include <algorithm>

namespace decloud::chain {

namespace {

constexpr std::uint8_t kType = 2;
constexpr std::size_t kSignedFields = 12;

rlp::Encoder fields_of(const Transaction& transaction) {
    rlp::Encoder out;
    out.add(Uint128{transaction.chain_id})
        .add(Uint128{transaction.nonce})
        .add(transaction.max_priority_fee_per_gas)
        .add(transaction.max_fee_per_gas)
        .add(Uint128{transaction.gas_limit})
        .add(transaction.to ? transaction.to->view() : BytesView{})
        .add(transaction.value)
        .add(BytesView(transaction.data));
    rlp::Encoder access_list;
    for (const AccessListEntry& entry : transaction.access_list) {
        rlp::Encoder keys;
        for (const Bytes32& key : entry.storage_keys) {
            keys.add(key.view());
        }
        access_list.add_list(rlp::Encoder().add(entry.address.view()).add_list(keys));
    }
    return out.add_list(access_list);
}

Bytes envelope(const rlp::Encoder& fields) {
    Bytes out{kType};
    append(out, fields.list());
    return out;
}

BytesView without_leading_zeros(BytesView number) {
    while (!number.empty() && number[0] == 0) {
        number = number.subspan(1);
    }
    return number;
}

}  // namespace

Bytes32 signing_digest(const Transaction& transaction) {
    return crypto::keccak256(envelope(fields_of(transaction)));
}

SignedTransaction sign(const Transaction& transaction, const crypto::Secp256k1PrivateKey& key) {
    return with_signature(transaction, key.sign(signing_digest(transaction)));
}

SignedTransaction with_signature(
    const Transaction& transaction, const crypto::EcdsaSignature& signature) {
    rlp::Encoder fields = fields_of(transaction);
    const BytesView view = signature.view();
    fields.add(Uint128{static_cast<std::uint8_t>(view[64] - 27)})
        .add(without_leading_zeros(view.first(32)))
        .add(without_leading_zeros(view.subspan(32, 32)));
    SignedTransaction out{.raw = envelope(fields), .hash = {}};
    out.hash = crypto::keccak256(out.raw);
    return out;
}

Result<SignedTransaction> check_signed(
    const Transaction& transaction, const Address& sender, BytesView raw) {
    if (raw.empty() || raw[0] != kType) {
        return fail(CommonError::invalid_input, "it is not of type 2 (EIP-1559)");
    }
    TRY(const rlp::Item item, rlp::decode(raw.subspan(1)));
    const auto* const fields = std::get_if<std::vector<rlp::Item>>(&item.value);
    if (fields == nullptr || fields->size() != kSignedFields) {
        return fail(CommonError::invalid_input, "it does not have twelve fields");
    }
    crypto::EcdsaSignature signature;
    const auto put = [&](std::size_t index, std::size_t end, std::size_t width) {
        const auto* const bytes = std::get_if<Bytes>(&fields->at(index).value);
        if (bytes == nullptr || bytes->size() > width) {
            return false;
        }
        std::ranges::copy(
            *bytes, signature.bytes.begin() + static_cast<std::ptrdiff_t>(end - bytes->size()));
        return true;
    };
    if (!put(9, 65, 1) || !put(10, 32, 32) || !put(11, 64, 32) || signature.bytes.back() > 1) {
        return fail(CommonError::invalid_input, "its signature is none");
    }
    signature.bytes.back() = static_cast<std::uint8_t>(signature.bytes.back() + 27);
    SignedTransaction out = with_signature(transaction, signature);
    if (!std::ranges::equal(out.raw, raw)) {
        return fail(CommonError::invalid_input, "its fields are not those that were asked for");
    }
    TRY(const Address signer, crypto::recover(signing_digest(transaction), signature.view()));
    if (signer != sender) {
        return fail(CommonError::invalid_input,
            "it is by " + to_string(signer) + ", not by " + to_string(sender));
    }
    return out;
}

Address contract_address(const Address& creator, std::uint64_t nonce) {
    const Bytes32 hash =
        crypto::keccak256(rlp::Encoder().add(creator.view()).add(Uint128{nonce}).list());
    Address out;
    std::copy(hash.bytes.begin() + 12, hash.bytes.end(), out.bytes.begin());
    return out;
}

}  // namespace decloud::chain
