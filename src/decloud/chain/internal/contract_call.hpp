#pragma once

#include "../ethereum.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <string>
#include <utility>

namespace decloud::chain::internal {

/// Calls a view function and decodes what it returned. `decode` is a generated decoder. What a
/// contract of another kind returns is ChainError::invalid_response.
template <class Value>
[[nodiscard]] async::Task<Result<Value>> ask_contract(EthereumClient* client,
    Address contract,
    Bytes data,
    Result<Value> (*decode)(BytesView),
    BlockTag tag) {
    CO_TRY(const Bytes returned, co_await client->call(contract, std::move(data), std::move(tag)));
    auto value = decode(returned);
    if (!value) {
        co_return fail(ChainError::invalid_response,
            to_string(contract) + " does not answer as expected: " + value.error().message());
    }
    co_return value;
}

}  // namespace decloud::chain::internal
