#include <decloud/chain/ethereum.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace decloud::chain {
namespace {

// An endpoint whose every answer is the input.
class Endpoint final : public JsonRpcTransport {
  public:
    explicit Endpoint(std::string answer) : answer_(std::move(answer)) {}
    async::Task<Result<std::string>> post(
        std::string, std::string, std::chrono::milliseconds) override {
        co_return answer_;
    }
    async::Task<void> stop() override { co_return; }

  private:
    std::string answer_;
};

// Each request has its own number, so each gets a JsonRpc whose first id is the one in the input.
template <class Question>
async::Task<void> ask(Endpoint* endpoint, Question question) {
    JsonRpc rpc(*endpoint, {"fuzz"});
    EthereumClient client(rpc);
    (void)co_await question(&client);
}

async::Task<void> ask_everything(Endpoint* endpoint) {
    co_await ask(endpoint, [](EthereumClient* client) { return client->block_number(); });
    co_await ask(
        endpoint, [](EthereumClient* client) { return client->get_block(BlockTag::latest()); });
    co_await ask(endpoint, [](EthereumClient* client) { return client->call(Address{}, {}); });
    co_await ask(endpoint, [](EthereumClient* client) { return client->get_logs({}); });
    co_await ask(endpoint, [](EthereumClient* client) { return client->transaction_receipt({}); });
    co_await ask(endpoint, [](EthereumClient* client) { return client->balance({}); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    boost::asio::io_context io;
    std::string answer(reinterpret_cast<const char*>(data), size);
    // A result in its frame gets further than what the fuzzer has to frame by itself.
    if (answer.starts_with('=')) {
        answer = R"({"jsonrpc":"2.0","id":1,"result":)" + answer.substr(1) + "}";
    }
    Endpoint endpoint(std::move(answer));
    boost::asio::co_spawn(io, ask_everything(&endpoint), boost::asio::detached);
    io.run();
    return 0;
}

}  // namespace decloud::chain
