#pragma once

#include "anvil.hpp"
#include "ethereum.hpp"
#include "json_rpc.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace decloud::chain::testing_support {

inline std::filesystem::path source_folder() {
    const char* const source = std::getenv("DECLOUD_SOURCE_DIR");
    if (source == nullptr) {
        throw std::runtime_error("DECLOUD_SOURCE_DIR is not set: run by ctest");
    }
    return source;
}

/// Runs one coroutine, and whatever it started, to its end.
inline void run(boost::asio::io_context& io, async::Task<void> task) {
    std::exception_ptr problem;
    boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr error) { problem = error; });
    io.restart();
    io.run();
    if (problem) {
        std::rethrow_exception(problem);
    }
}

/// A fresh anvil that mines when it is told to, and a client of it.
struct TestChain {
    std::unique_ptr<DevelopmentChain> process;
    std::unique_ptr<JsonRpcTransport> transport;
    std::unique_ptr<JsonRpc> rpc;
    std::unique_ptr<EthereumClient> client;

    [[nodiscard]] static AnvilSettings settings() {
        return {.program = find_anvil({}, {source_folder()}).value(),
            .port = 0,
            .state = {},
            .log = {},
            .block_time = std::chrono::seconds(0),
            .extra_arguments = {"--no-mining"}};
    }

    [[nodiscard]] static async::Task<TestChain> start(
        async::Executor executor, AnvilSettings settings = TestChain::settings()) {
        TestChain out;
        auto started = co_await DevelopmentChain::start(executor, std::move(settings));
        if (!started) {
            throw std::runtime_error(started.error().message());
        }
        out.process = std::move(*started);
        out.transport = make_http_transport(executor);
        out.rpc = std::make_unique<JsonRpc>(*out.transport, std::vector{out.process->url()});
        out.client = std::make_unique<EthereumClient>(*out.rpc);
        co_return out;
    }

    async::Task<json::Value> ask(std::string method, json::Array params = {}) {
        co_return (co_await rpc->request(std::move(method), std::move(params))).value();
    }

    async::Task<void> mine(std::uint64_t blocks = 1) {
        (void)co_await ask("anvil_mine", {to_quantity(blocks)});
    }

    /// Stops it in its tracks; when this returns it answers nothing.
    void freeze() const {
        kill(process->pid(), SIGSTOP);
        siginfo_t ignored{};
        if (waitid(P_PID, static_cast<id_t>(process->pid()), &ignored, WSTOPPED | WNOWAIT) != 0) {
            throw std::runtime_error("waitid");
        }
    }
    void thaw() const { kill(process->pid(), SIGCONT); }

    async::Task<void> stop() {
        co_await transport->stop();
        co_await process->stop();
    }
};

}  // namespace decloud::chain::testing_support
