#include "registry.hpp"

#include "internal/contract_call.hpp"

#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>

#include <charconv>

namespace decloud::chain {

using internal::ask_contract;

namespace {

constexpr std::size_t kMaxRecord = 8 * 1024;

async::Task<Result<std::string>> text_record(
    EthereumClient* client, Address resolver, Bytes32 node, std::string key, BlockTag tag) {
    CO_TRY(std::string text,
        co_await ask_contract(client, resolver, contracts::resolver::encode_text(node, key),
            contracts::resolver::decode_text, std::move(tag)));
    if (text.size() > kMaxRecord) {
        co_return fail(CommonError::limit_exceeded, "the text record " + key + " is over 8 KiB");
    }
    co_return text;
}

Result<std::uint64_t> parse_epoch(std::string_view text) {
    std::uint64_t out = 0;
    if (text.empty()) {
        return out;
    }
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return fail(ChainError::invalid_response,
            "the text record " + std::string(contracts::resolver::kLowestEpochKey) +
                " is no whole number");
    }
    return out;
}

}  // namespace

async::Task<Result<ProviderRecord>> RegistryView::resolve(Bytes32 node, BlockTag tag) {
    namespace resolver = contracts::resolver;
    ProviderRecord out;
    CO_TRY(out.resolver,
        co_await ask_contract(&client_, registry_, contracts::registry::encode_resolver(node),
            contracts::registry::decode_resolver, tag));
    if (out.resolver.is_zero()) {
        co_return fail(ChainError::not_found, "the name has no resolver");
    }
    CO_TRY(out.address, co_await ask_contract(&client_, out.resolver, resolver::encode_addr(node),
                            resolver::decode_addr, tag));
    if (out.address.is_zero()) {
        co_return fail(ChainError::not_found, "the name has no address");
    }
    CO_TRY(out.url,
        co_await text_record(&client_, out.resolver, node, std::string(resolver::kUrlKey), tag));
    CO_TRY(out.rsa_jwk,
        co_await text_record(&client_, out.resolver, node, std::string(resolver::kRsaJwkKey), tag));
    CO_TRY(const std::string epoch, co_await text_record(&client_, out.resolver, node,
                                        std::string(resolver::kLowestEpochKey), tag));
    CO_TRY(out.lowest_epoch, parse_epoch(epoch));
    co_return out;
}

async::Task<Result<Address>> RegistryView::owner(Bytes32 node, BlockTag tag) {
    return ask_contract(&client_, registry_, contracts::registry::encode_owner(node),
        contracts::registry::decode_owner, std::move(tag));
}

}  // namespace decloud::chain
