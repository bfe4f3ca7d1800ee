#include "chain.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::simulation {

async::Task<std::unique_ptr<Chain>> Chain::start(
    async::Executor executor, std::filesystem::path root) {
    std::unique_ptr<Chain> out(new Chain());
    out->anvil_ = need(co_await chain::DevelopmentChain::start(
        executor, {.program = need(chain::find_anvil({}, {std::move(root)})),
                      .port = 0,
                      .state = {},
                      .log = {},
                      .block_time = std::chrono::seconds(0),
                      .extra_arguments = {"--no-mining", "--accounts", "20"}}));
    out->transport_ = chain::make_http_transport(executor);
    out->rpc_ = std::make_unique<chain::JsonRpc>(*out, std::vector{out->anvil_->url()});
    out->client_ = std::make_unique<chain::EthereumClient>(*out->rpc_);
    const json::Value accounts = co_await out->ask("eth_accounts");
    for (const json::Value& account : accounts.as_array()) {
        out->accounts_.push_back(need(parse_address(account.as_string())));
    }
    co_return out;
}

async::Task<Result<std::string>> Chain::post(
    std::string url, std::string body, std::chrono::milliseconds timeout) {
    ++under_way_;
    ++requests_;
    auto answer = co_await transport_->post(std::move(url), std::move(body), timeout);
    --under_way_;
    co_return answer;
}

async::Task<void> Chain::stop() {
    co_await transport_->stop();
    co_await anvil_->stop();
}

async::Task<json::Value> Chain::ask(std::string method, json::Array params) {
    co_return need(co_await rpc_->request(std::move(method), std::move(params)));
}

async::Task<void> Chain::mine(UnixSeconds time) {
    const auto newest = need(co_await client_->get_block(chain::BlockTag::latest()));
    const std::uint64_t first = std::max(time.value - 1, newest.timestamp.value + 1);
    for (const std::uint64_t at : {first, first + 1}) {
        (void)co_await ask("evm_setNextBlockTimestamp", {at});
        (void)co_await ask("anvil_mine", {"0x1"});
    }
}

async::Task<void> Chain::send(Address from, Address to, Bytes data) {
    const json::Object call{{"from", to_string(from)}, {"to", to_string(to)},
        {"data", to_hex_prefixed(data)}, {"gas", "0x80000"}};
    (void)co_await ask("eth_sendTransaction", {call});
}

async::Task<void> Chain::drop_transactions_of(Address account) {
    const json::Value content = co_await ask("txpool_content");
    for (const char* const list : {"pending", "queued"}) {
        for (const auto& [owner, transactions] : content.at(list).as_object()) {
            const auto parsed = parse_address(owner);
            if (!parsed || *parsed != account) {
                continue;
            }
            for (const auto& [nonce, transaction] : transactions.as_object()) {
                (void)co_await ask("anvil_dropTransaction", {transaction.at("hash")});
            }
        }
    }
}

async::Task<void> Chain::reorganise() { (void)co_await ask("anvil_reorg", {1, json::Array{}}); }

async::Task<void> Chain::until_quiet() {
    // As long as the log's writer gathers, and a sync.
    constexpr int kQuietRounds = 8;
    std::uint64_t before = requests_;
    for (int quiet = 0; quiet < kQuietRounds;) {
        co_await async::delay(std::chrono::milliseconds(2));
        quiet = under_way_ == 0 && requests_ == before ? quiet + 1 : 0;
        before = requests_;
    }
}

}  // namespace decloud::simulation
