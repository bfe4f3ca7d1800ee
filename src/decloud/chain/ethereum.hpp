#pragma once

#include "error.hpp"
#include "json_rpc.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace decloud::chain {

struct BlockHeader {
    std::uint64_t number = 0;
    Bytes32 hash{};
    Bytes32 parent{};
    UnixSeconds timestamp{};
    Uint128 base_fee = 0;
};

/// Which state a question is about.
class BlockTag {
  public:
    [[nodiscard]] static BlockTag latest() { return BlockTag("latest"); }
    [[nodiscard]] static BlockTag pending() { return BlockTag("pending"); }
    [[nodiscard]] static BlockTag at(std::uint64_t number);
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    explicit BlockTag(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

struct Log {
    Address address{};
    std::vector<Bytes32> topics{};
    Bytes data{};
    std::uint64_t block_number = 0;
    Bytes32 transaction_hash{};
    std::uint64_t index = 0;
};

struct LogFilter {
    std::vector<Address> addresses{};
    /// By position; none matches anything, several match any of them.
    std::vector<std::vector<Bytes32>> topics{};
    std::uint64_t from_block = 0;
    std::uint64_t to_block = 0;
};

struct TransactionReceipt {
    Bytes32 hash{};
    bool succeeded = false;
    std::uint64_t block_number = 0;
    Bytes32 block_hash{};
    std::uint64_t gas_used = 0;
    std::optional<Address> contract{};
    std::vector<Log> logs{};
};

/// What to offer per gas, in wei.
struct Fees {
    Uint128 max_fee_per_gas = 0;
    Uint128 max_priority_fee_per_gas = 0;
};

struct CallRequest {
    std::optional<Address> from{};
    std::optional<Address> to{};
    Bytes data{};
    Uint128 value = 0;
};

/// Ethereum's JSON-RPC, typed. Every answer is checked for shape; errors are JsonRpc's. Single
/// threaded.
class EthereumClient {
  public:
    /// `rpc` outlives this.
    explicit EthereumClient(JsonRpc& rpc) : rpc_(rpc) {}

    [[nodiscard]] async::Task<Result<std::uint64_t>> chain_id();
    [[nodiscard]] async::Task<Result<std::uint64_t>> block_number();
    /// Error: ChainError::not_found for a block that is not there.
    [[nodiscard]] async::Task<Result<BlockHeader>> get_block(BlockTag tag);
    [[nodiscard]] async::Task<Result<BlockHeader>> get_block(Bytes32 hash);
    /// Error: ChainError::reverted with the reason.
    [[nodiscard]] async::Task<Result<Bytes>> call(
        Address to, Bytes data, BlockTag tag = BlockTag::latest());
    [[nodiscard]] async::Task<Result<Bytes>> call(CallRequest request, BlockTag tag);
    [[nodiscard]] async::Task<Result<std::vector<Log>>> get_logs(LogFilter filter);
    /// In wei.
    [[nodiscard]] async::Task<Result<Uint128>> balance(
        Address address, BlockTag tag = BlockTag::latest());
    [[nodiscard]] async::Task<Result<Bytes>> code(
        Address address, BlockTag tag = BlockTag::latest());
    [[nodiscard]] async::Task<Result<std::uint64_t>> nonce(
        Address address, BlockTag tag = BlockTag::latest());
    /// On the pending state, so after what waits in the pool.
    [[nodiscard]] async::Task<Result<std::uint64_t>> estimate_gas(CallRequest request);
    /// Twice the pending base fee plus the node's suggested tip.
    [[nodiscard]] async::Task<Result<Fees>> fees();
    [[nodiscard]] async::Task<Result<Bytes32>> send_raw_transaction(Bytes raw);
    /// None: not in any block.
    [[nodiscard]] async::Task<Result<std::optional<TransactionReceipt>>> transaction_receipt(
        Bytes32 hash);
    /// Whether the endpoint has it in its pool or in a block.
    [[nodiscard]] async::Task<Result<bool>> knows_transaction(Bytes32 hash);

    [[nodiscard]] JsonRpc& rpc() { return rpc_; }

  private:
    JsonRpc& rpc_;
};

}  // namespace decloud::chain
