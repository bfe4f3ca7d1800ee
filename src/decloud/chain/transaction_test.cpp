#include "transaction.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace decloud::chain {
namespace {

json::Array vectors() {
    const char* const source = std::getenv("DECLOUD_SOURCE_DIR");
    if (source == nullptr) {
        throw std::runtime_error("DECLOUD_SOURCE_DIR is not set: run by ctest");
    }
    std::ifstream file(std::string(source) + "/tests/vectors/transactions/vectors.json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    return json::parse(text, {.max_bytes = 4U << 20U}).value().as_array();
}

Uint128 number(const json::Object& object, std::string_view name) {
    return parse_uint128(object.at(name).as_string()).value();
}

Transaction transaction_of(const json::Object& tx) {
    Transaction out{.chain_id = static_cast<std::uint64_t>(number(tx, "chainId")),
        .nonce = static_cast<std::uint64_t>(number(tx, "nonce")),
        .max_priority_fee_per_gas = number(tx, "maxPriorityFeePerGas"),
        .max_fee_per_gas = number(tx, "maxFeePerGas"),
        .gas_limit = static_cast<std::uint64_t>(number(tx, "gasLimit")),
        .to = {},
        .value = number(tx, "value"),
        .data = from_hex(tx.at("data").as_string()).value(),
        .access_list = {}};
    if (tx.at("to").is_string()) {
        out.to = parse_address(tx.at("to").as_string()).value();
    }
    for (const json::Value& item : tx.at("accessList").as_array()) {
        AccessListEntry entry{
            .address = parse_address(item.at("address").as_string()).value(), .storage_keys = {}};
        for (const json::Value& key : item.at("storageKeys").as_array()) {
            entry.storage_keys.push_back(parse_bytes32(key.as_string()).value());
        }
        out.access_list.push_back(std::move(entry));
    }
    return out;
}

TEST(Transaction, AgreesWithEthers) {
    const json::Array all = vectors();
    EXPECT_GE(all.size(), 20);
    for (const json::Value& value : all) {
        const json::Object& vector = value.as_object();
        const Transaction transaction = transaction_of(vector.at("tx").as_object());
        const auto key =
            crypto::Secp256k1PrivateKey::from_bytes(from_hex(vector.at("key").as_string()).value());
        EXPECT_EQ(signing_digest(transaction),
            crypto::keccak256(from_hex(vector.at("unsigned").as_string()).value()));
        const SignedTransaction signed_transaction = sign(transaction, key.value());
        EXPECT_EQ(to_hex_prefixed(signed_transaction.raw), vector.at("signed").as_string())
            << vector.at("name").as_string();
        EXPECT_EQ(signed_transaction.hash, crypto::keccak256(signed_transaction.raw));
    }
}

TEST(Transaction, ASignatureFromElsewhereIsTakenForExactlyThisTransactionAndSender) {
    for (const json::Value& value : vectors()) {
        const json::Object& vector = value.as_object();
        const Transaction transaction = transaction_of(vector.at("tx").as_object());
        const auto key =
            crypto::Secp256k1PrivateKey::from_bytes(from_hex(vector.at("key").as_string()).value());
        const Bytes raw = from_hex(vector.at("signed").as_string()).value();
        const auto taken = check_signed(transaction, key->address(), raw);
        ASSERT_TRUE(taken) << taken.error().message();
        EXPECT_EQ(taken->raw, raw);
        EXPECT_EQ(taken->hash, crypto::keccak256(raw));

        Transaction other = transaction;
        other.nonce += 1;
        EXPECT_FALSE(check_signed(other, key->address(), raw));
        other = transaction;
        other.value += 1;
        EXPECT_FALSE(check_signed(other, key->address(), raw));
        const auto stranger = crypto::Secp256k1PrivateKey::generate();
        EXPECT_FALSE(check_signed(transaction, stranger.address(), raw));
        EXPECT_FALSE(check_signed(transaction, key->address(), sign(transaction, stranger).raw));
        EXPECT_FALSE(
            check_signed(transaction, key->address(), BytesView(raw).first(raw.size() - 1)));
        EXPECT_FALSE(check_signed(
            transaction, key->address(), from_hex(vector.at("unsigned").as_string()).value()));
    }
    EXPECT_FALSE(check_signed({}, {}, {}));
}

TEST(Transaction, PredictsContractAddresses) {
    // The first contract of anvil's account 0, as every Foundry tutorial shows it.
    const auto creator = parse_address("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266").value();
    EXPECT_EQ(
        to_string(contract_address(creator, 0)), "0x5fbdb2315678afecb367f032d93f642f64180aa3");
    EXPECT_EQ(
        to_string(contract_address(creator, 1)), "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512");
}

}  // namespace
}  // namespace decloud::chain
