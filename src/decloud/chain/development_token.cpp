#include "development_token.hpp"

#include "internal/contract_call.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/contracts/test_usdc.hpp>

#include <string>

namespace decloud::chain {

namespace usdc = contracts::test_usdc;

namespace {

constexpr std::string_view kIntent = "deploy usdc to copy";
/// More than the token's variables take; its mappings are empty before the first mint.
constexpr std::uint64_t kCopiedSlots = 16;

async::Task<Result<bool>> stands(EthereumClient* client, Address at, Address owner) {
    CO_TRY(const Bytes code, co_await client->code(at));
    if (!usdc::is_runtime_code(code)) {
        co_return false;
    }
    CO_TRY(const Address its, co_await internal::ask_contract(client, at, usdc::encode_owner(),
                                  usdc::decode_owner, BlockTag::latest()));
    co_return its == owner;
}

async::Task<Result<void>> copy_contract(EthereumClient* client, Address from, Address to) {
    CO_TRY(const Bytes code, co_await client->code(from));
    CO_TRY_VOID(
        co_await client->rpc().request("anvil_setCode", {to_string(to), to_hex_prefixed(code)}));
    for (std::uint64_t slot = 0; slot < kCopiedSlots; ++slot) {
        const std::string at = to_quantity(slot);
        CO_TRY(const json::Value word,
            co_await client->rpc().request("eth_getStorageAt", {to_string(from), at, "latest"}));
        CO_TRY_VOID(co_await client->rpc().request("anvil_setStorageAt",
            {to_string(to), to_string(Bytes32{Uint256::from(slot).big_endian}), word}));
    }
    co_return Result<void>{};
}

}  // namespace

async::Task<Result<void>> place_test_usdc(
    EthereumClient& client, TransactionSender& sender, Address at) {
    CO_TRY(const bool there, co_await stands(&client, at, sender.address()));
    if (there) {
        co_return Result<void>{};
    }
    const std::string intent(kIntent);
    CO_TRY(const TransactionOutcome deployed,
        co_await sender.submit(
            {.intent = intent, .to = {}, .data = usdc::deployment_code(sender.address())}));
    if (!deployed.contract) {
        co_return fail(ChainError::invalid_response, "a deployment without a contract's address");
    }
    CO_TRY_VOID(co_await copy_contract(&client, *deployed.contract, at));
    CO_TRY_VOID(co_await sender.forget(intent));
    CO_TRY(const bool stood, co_await stands(&client, at, sender.address()));
    if (!stood) {
        co_return fail(ChainError::invalid_response, "the chain did not take the copied token");
    }
    co_return Result<void>{};
}

}  // namespace decloud::chain
