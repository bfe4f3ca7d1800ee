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

/// What is used of a block's header; `base_fee` in wei per gas.
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
    /// The newest block; that with the pool's transactions on top; the block of this number.
    [[nodiscard]] static BlockTag latest() { return BlockTag("latest"); }
    [[nodiscard]] static BlockTag pending() { return BlockTag("pending"); }
    [[nodiscard]] static BlockTag at(std::uint64_t number);
    /// As JSON-RPC takes it: "latest", "pending" or "0x1b4".
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    explicit BlockTag(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

/// One event of a contract. `index` is its place among the block's events.
struct Log {
    Address address{};
    std::vector<Bytes32> topics{};
    Bytes data{};
    std::uint64_t block_number = 0;
    Bytes32 transaction_hash{};
    std::uint64_t index = 0;
};

/// Which events `get_logs` gives; both blocks are included.
struct LogFilter {
    std::vector<Address> addresses{};
    /// By position; none matches anything, several match any of them.
    std::vector<std::vector<Bytes32>> topics{};
    std::uint64_t from_block = 0;
    std::uint64_t to_block = 0;
};

/// What became of a transaction that is in a block. `contract`: the one it created.
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

/// A message to run without sending it, `value` in wei. No `to`: it creates a contract.
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

    /// EIP-155's id of the chain that the endpoint is on.
    [[nodiscard]] async::Task<Result<std::uint64_t>> chain_id();
    /// The number of the newest block.
    [[nodiscard]] async::Task<Result<std::uint64_t>> block_number();
    /// Error: ChainError::not_found for a block that is not there.
    [[nodiscard]] async::Task<Result<BlockHeader>> get_block(BlockTag tag);
    [[nodiscard]] async::Task<Result<BlockHeader>> get_block(Bytes32 hash);
    /// Error: ChainError::reverted with the reason.
    [[nodiscard]] async::Task<Result<Bytes>> call(
        Address to, Bytes data, BlockTag tag = BlockTag::latest());
    [[nodiscard]] async::Task<Result<Bytes>> call(CallRequest request, BlockTag tag);
    /// Events that match, in the order of the chain.
    [[nodiscard]] async::Task<Result<std::vector<Log>>> get_logs(LogFilter filter);
    /// In wei.
    [[nodiscard]] async::Task<Result<Uint128>> balance(
        Address address, BlockTag tag = BlockTag::latest());
    /// The contract's runtime code; empty for an account without code.
    [[nodiscard]] async::Task<Result<Bytes>> code(
        Address address, BlockTag tag = BlockTag::latest());
    /// How many transactions the account has sent, so the next one's nonce.
    [[nodiscard]] async::Task<Result<std::uint64_t>> nonce(
        Address address, BlockTag tag = BlockTag::latest());
    /// On the pending state, so after what waits in the pool.
    [[nodiscard]] async::Task<Result<std::uint64_t>> estimate_gas(CallRequest request);
    /// Twice the pending base fee plus the node's suggested tip.
    [[nodiscard]] async::Task<Result<Fees>> fees();
    /// Puts a signed transaction into the pool and returns its hash. Errors also: nonce_too_low,
    /// underpriced, insufficient_funds, already_known.
    [[nodiscard]] async::Task<Result<Bytes32>> send_raw_transaction(Bytes raw);
    /// None: not in any block.
    [[nodiscard]] async::Task<Result<std::optional<TransactionReceipt>>> transaction_receipt(
        Bytes32 hash);
    /// Whether the endpoint has it in its pool or in a block.
    [[nodiscard]] async::Task<Result<bool>> knows_transaction(Bytes32 hash);

    /// What this asks through.
    [[nodiscard]] JsonRpc& rpc() { return rpc_; }

  private:
    JsonRpc& rpc_;
};

}  // namespace decloud::chain
