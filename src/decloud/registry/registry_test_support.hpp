#pragma once

#include "provider_directory.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/chain/sender_test_support.hpp>
#include <decloud/contracts/registrar.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/crypto/hash.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace decloud::registry::testing_support {

/// Anvil's account 0, whose transactions anvil signs itself.
inline constexpr std::string_view kOwner = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

inline identity::ProviderName provider_name(std::string_view text) {
    return identity::ProviderName::parse(text).value();
}

/// A fresh anvil with our registry and resolver, and a way to write to them.
class RegistryChain {
  public:
    static async::Task<std::unique_ptr<RegistryChain>> start(async::Executor executor) {
        auto out = std::make_unique<RegistryChain>();
        out->chain = co_await chain::testing_support::TestChain::start(executor);
        out->registry = co_await out->create(contracts::registry::deployment_code());
        out->resolver = co_await out->create(contracts::resolver::deployment_code(out->registry));
        co_await out->own({}, "test");
        co_return out;
    }

    /// "alice.test" with a URL.
    async::Task<void> enroll(std::string label, std::string url) {
        namespace registry_abi = contracts::registry;
        const Bytes32 node = identity::namehash(label + ".test");
        co_await own(identity::namehash("test"), label);
        co_await write(registry, registry_abi::encode_set_resolver(node, resolver));
        co_await write(
            resolver, contracts::resolver::encode_set_provider(node, Address{{0xa1}}, url, ""));
    }
    /// From then on names under "decloud" are the registrar's to give.
    async::Task<void> give_top_name_to_a_registrar() {
        registrar = co_await create(contracts::registrar::deployment_code(
            registry, identity::namehash(identity::kTopName), 1));
        co_await write(registry, contracts::registry::encode_set_subnode_owner(
                                     {}, crypto::keccak256(identity::kTopName), registrar));
    }
    /// "alice" under it, without a record.
    async::Task<void> register_name(std::string label) {
        namespace registrar_abi = contracts::registrar;
        const Address owner = parse_address(kOwner).value();
        const Bytes returned =
            from_hex((co_await chain.ask("eth_call",
                          {json::Object{{"to", to_string(registrar)},
                               {"data", to_hex_prefixed(registrar_abi::encode_make_commitment(
                                            label, owner, Bytes32{}))}},
                              "latest"}))
                         .as_string())
                .value();
        co_await write(registrar,
            registrar_abi::encode_commit(registrar_abi::decode_make_commitment(returned).value()));
        (void)co_await chain.ask("evm_increaseTime", {2});
        co_await write(registrar, registrar_abi::encode_register(label, owner, Bytes32{}));
    }
    /// Its resolver and record.
    async::Task<void> describe(std::string name, std::string url) {
        const Bytes32 node = identity::namehash(name);
        co_await write(registry, contracts::registry::encode_set_resolver(node, resolver));
        co_await write(
            resolver, contracts::resolver::encode_set_provider(node, Address{{0xa1}}, url, ""));
    }
    async::Task<void> set_url(std::string label, std::string url) {
        co_await write(
            resolver, contracts::resolver::encode_set_text(
                          identity::namehash(label + ".test"), contracts::resolver::kUrlKey, url));
    }
    async::Task<void> remove_resolver(std::string label) {
        co_await write(registry, contracts::registry::encode_set_resolver(
                                     identity::namehash(label + ".test"), Address{}));
    }

    chain::testing_support::TestChain chain;
    Address registry;
    Address resolver;
    Address registrar;

  private:
    async::Task<void> own(Bytes32 parent, std::string label) {
        const Address owner = parse_address(kOwner).value();
        co_await write(registry,
            contracts::registry::encode_set_subnode_owner(parent, crypto::keccak256(label), owner));
    }
    async::Task<void> write(Address to, Bytes data) {
        (void)co_await send({{"to", to_string(to)}}, std::move(data));
    }
    async::Task<Address> create(Bytes code) {
        const json::Value receipt = co_await send({}, std::move(code));
        co_return parse_address(std::string_view(receipt.at("contractAddress").as_string()))
            .value();
    }
    async::Task<json::Value> send(json::Object transaction, Bytes data) {
        transaction["from"] = kOwner;
        transaction["data"] = to_hex_prefixed(data);
        const json::Value hash = co_await chain.ask("eth_sendTransaction", {transaction});
        co_await chain.mine();
        json::Value receipt = co_await chain.ask("eth_getTransactionReceipt", {hash});
        if (receipt.at("status").as_string() != "0x1") {
            throw std::runtime_error("a transaction of the test failed");
        }
        co_return receipt;
    }
};

/// Asks again and again what only asking can tell, for at most 20 s.
inline async::Task<bool> until(std::function<async::Task<bool>()> condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < end) {
        if (co_await condition()) {
            co_return true;
        }
        co_await async::delay(std::chrono::milliseconds(10));
    }
    co_return false;
}

}  // namespace decloud::registry::testing_support
