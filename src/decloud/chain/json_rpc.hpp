#pragma once

#include "error.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/result.hpp>
#include <decloud/net/http/proxy_rules.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::chain {

/// Carries one JSON-RPC message to an endpoint. Errors: ChainError::unreachable, timeout.
class JsonRpcTransport {
  public:
    virtual ~JsonRpcTransport() = default;
    /// Sends `body` (JSON text) and returns the answer's. Error also: invalid_input for the URL.
    [[nodiscard]] virtual async::Task<Result<std::string>> post(
        std::string url, std::string body, std::chrono::milliseconds timeout) = 0;
    /// Closes connections; before the executor ends.
    [[nodiscard]] virtual async::Task<void> stop() = 0;
};

/// Over HTTP or HTTPS by `net::Client`. Endpoints come from the operator, so loopback and private
/// addresses are allowed; `proxies` say which are asked through a proxy, null: none.
[[nodiscard]] std::unique_ptr<JsonRpcTransport> make_http_transport(
    async::Executor executor, std::shared_ptr<const net::http::ProxyRules> proxies = nullptr);

/// How endpoints are asked and when one of several is dropped.
struct JsonRpcSettings {
    std::chrono::milliseconds timeout{10'000};
    /// Blocks behind the head from which on a block is final for us.
    std::uint64_t depth = 2;
    /// None: the majority's.
    std::optional<std::uint64_t> chain_id{};
    /// An endpoint this many blocks behind …
    std::uint64_t max_lag = 3;
    /// … for this long is dropped until it has caught up.
    std::chrono::steady_clock::duration max_lag_time = std::chrono::seconds(30);
};

/// What is known of one endpoint.
struct EndpointStatus {
    std::string url{};
    bool usable = false;
    /// Why it is not.
    std::string reason{};
    std::uint64_t head = 0;
};

/// JSON-RPC 2.0 over several endpoints of one chain. Asks the first usable one and goes on to the
/// next if it cannot be reached. Single threaded.
class JsonRpc {
  public:
    /// `transport` outlives this. At least one URL.
    JsonRpc(
        JsonRpcTransport& transport, std::vector<std::string> urls, JsonRpcSettings settings = {});
    ~JsonRpc();
    JsonRpc(const JsonRpc&) = delete;
    JsonRpc& operator=(const JsonRpc&) = delete;

    /// The `result`. Errors: unreachable, timeout, not_ready (after a survey left none), and what
    /// an error object says: reverted, nonce_too_low, underpriced, insufficient_funds,
    /// already_known, rpc.
    [[nodiscard]] async::Task<Result<json::Value>> request(std::string method, json::Array params);

    /// Compares the endpoints' chain ids, heads and block hashes at the finality depth and drops
    /// those that differ from the majority or lag. Errors when none is left, with the reasons:
    /// unreachable if none answered, else inconsistent.
    [[nodiscard]] async::Task<Result<void>> survey();

    /// Every endpoint as of the last survey, in the order they were given.
    [[nodiscard]] std::vector<EndpointStatus> endpoints() const;
    /// As the constructor got them.
    [[nodiscard]] const JsonRpcSettings& settings() const { return settings_; }

  private:
    struct Endpoint;
    [[nodiscard]] async::Task<Result<json::Value>> ask(
        std::string url, std::string method, json::Array params);
    [[nodiscard]] async::Task<Result<std::uint64_t>> ask_quantity(
        std::string url, std::string method);
    [[nodiscard]] async::Task<void> for_each_candidate(
        std::function<async::Task<void>(std::size_t)> work);
    [[nodiscard]] async::Task<void> probe(std::size_t index);
    [[nodiscard]] async::Task<void> fetch_hash(std::size_t index, std::uint64_t number);
    void judge_chain();
    void judge_lag();
    void judge_hashes();
    [[nodiscard]] std::string reasons() const;

    JsonRpcTransport& transport_;
    JsonRpcSettings settings_;
    std::vector<Endpoint> endpoints_;
    std::uint64_t next_id_ = 1;
};

/// The typed error of a JSON-RPC error object. A revert's reason is put into words by
/// `contracts::describe_revert`.
[[nodiscard]] Error rpc_error(const json::Object& error);

/// `0x…` quantities and data of JSON-RPC. Error: ChainError::invalid_response.
[[nodiscard]] Result<std::uint64_t> parse_quantity(const json::Value& value);
[[nodiscard]] Result<Uint128> parse_quantity128(const json::Value& value);
[[nodiscard]] Result<Bytes> parse_data(const json::Value& value);
/// "0x", then hexadecimal digits without leading zeros; "0x0" for zero.
[[nodiscard]] std::string to_quantity(Uint128 value);

}  // namespace decloud::chain
