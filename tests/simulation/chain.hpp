#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/chain/anvil.hpp>
#include <decloud/chain/ethereum.hpp>
#include <decloud/chain/json_rpc.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace decloud::simulation {

/// What a Result holds; a simulation goes no further without it.
template <class T>
T need(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().message());
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

/// Anvil, whose blocks come when they are told to, at the time of a clock that nobody waits for.
/// Counts the requests that are under way.
class Chain final : public chain::JsonRpcTransport {
  public:
    /// `root`: where npm's anvil is installed. Throws if it does not start.
    [[nodiscard]] static async::Task<std::unique_ptr<Chain>> start(
        async::Executor executor, std::filesystem::path root);

    async::Task<Result<std::string>> post(
        std::string url, std::string body, std::chrono::milliseconds timeout) override;
    async::Task<void> stop() override;

    chain::EthereumClient& client() { return *client_; }
    /// Anvil's accounts, all of which it signs for.
    [[nodiscard]] const std::vector<Address>& accounts() const { return accounts_; }
    async::Task<json::Value> ask(std::string method, json::Array params = {});

    /// Two blocks, the second at `time`, or right after the newest where that is later.
    async::Task<void> mine(UnixSeconds time);
    /// A transaction of one of anvil's accounts, into the pool.
    async::Task<void> send(Address from, Address to, Bytes data);
    /// A miner who does not like `account`.
    async::Task<void> drop_transactions_of(Address account);
    /// The newest block is replaced by an empty one.
    async::Task<void> reorganise();
    /// Until nobody has asked anything for a while.
    async::Task<void> until_quiet();

  private:
    Chain() = default;

    std::unique_ptr<chain::DevelopmentChain> anvil_;
    std::unique_ptr<chain::JsonRpcTransport> transport_;
    std::unique_ptr<chain::JsonRpc> rpc_;
    std::unique_ptr<chain::EthereumClient> client_;
    std::vector<Address> accounts_;
    std::size_t under_way_ = 0;
    std::uint64_t requests_ = 0;
};

}  // namespace decloud::simulation
