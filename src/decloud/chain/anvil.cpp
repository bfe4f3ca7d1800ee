#include "anvil.hpp"

#include "ethereum.hpp"
#include "json_rpc.hpp"

#include <decloud/async/timeout.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

namespace decloud::chain {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kReadyPoll{50};

// npm's own `anvil` is a script: only the ELF ends when it is told to.
bool is_native_program(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, 4> magic{};
    file.read(magic.data(), magic.size());
    return file && std::string_view(magic.data(), magic.size()) == "\177ELF" &&
           access(path.c_str(), X_OK) == 0;
}

std::vector<fs::path> candidates(const std::vector<fs::path>& roots) {
#if defined(__aarch64__)
    static constexpr std::string_view kPackage = "anvil-linux-arm64";
#else
    static constexpr std::string_view kPackage = "anvil-linux-amd64";
#endif
    std::vector<fs::path> out;
    for (const fs::path& root : roots) {
        for (const fs::path& modules :
            {root / "contracts" / "node_modules", root / "node_modules"}) {
            out.push_back(modules / "@foundry-rs" / kPackage / "bin" / "anvil");
        }
        out.push_back(root / "anvil");
    }
    if (const char* const path = std::getenv("PATH")) {
        std::string_view rest = path;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(':'), rest.size());
            out.push_back(fs::path(rest.substr(0, end)) / "anvil");
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    return out;
}

// The port if it is free; 0 asks for any.
Result<std::uint16_t> probe_port(std::uint16_t port) {
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return fail(errno_error("socket"));
    }
    const int yes = 1;
    (void)setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const bool bound = bind(probe, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                       listen(probe, 1) == 0 &&
                       getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    const int error = errno;
    close(probe);
    if (!bound && error == EADDRINUSE) {
        return fail(CommonError::already_exists,
            "port " + std::to_string(port) + " on 127.0.0.1 is in use, wanted for the chain");
    }
    if (!bound) {
        return fail(errno_error("bind 127.0.0.1:" + std::to_string(port), error));
    }
    return ntohs(address.sin_port);
}

std::vector<std::string> arguments(const AnvilSettings& settings, std::uint16_t port) {
    std::vector<std::string> out{settings.program.string(), "--host", "127.0.0.1", "--port",
        std::to_string(port), "--chain-id", std::to_string(settings.chain_id),
        // It would write a line for each request; what makes it end is still said.
        "--quiet"};
    if (settings.block_time.count() > 0) {
        out.insert(out.end(), {"--block-time", std::to_string(settings.block_time.count())});
    }
    if (!settings.state.empty()) {
        // Without the interval a killed anvil comes back without its last blocks.
        out.insert(out.end(), {"--state", settings.state.string(), "--state-interval", "1"});
        out.insert(out.end(), {"--cache-path", settings.state.string() + ".cache"});
    }
    out.insert(out.end(), settings.extra_arguments.begin(), settings.extra_arguments.end());
    return out;
}

}  // namespace

Result<fs::path> find_anvil(const fs::path& configured, const std::vector<fs::path>& roots) {
    const char* const variable = std::getenv("DECLOUD_ANVIL");
    fs::path wanted =
        !configured.empty() ? configured : fs::path(variable == nullptr ? "" : variable);
    if (!wanted.empty()) {
        if (is_native_program(wanted)) {
            return wanted;
        }
        return fail(CommonError::not_found, wanted.string() + " is not anvil's native program");
    }
    std::string tried;
    for (const fs::path& path : candidates(roots)) {
        if (is_native_program(path)) {
            return path;
        }
        tried += (tried.empty() ? "" : ", ") + path.string();
    }
    return fail(CommonError::not_found,
        "anvil's native program; run tools/install, or set DECLOUD_ANVIL (looked at " + tried +
            ")");
}

async::Task<Result<std::unique_ptr<DevelopmentChain>>> DevelopmentChain::start(
    async::Executor executor, AnvilSettings settings) {
    CO_TRY(const std::uint16_t port, probe_port(settings.port));
    // Killed, it may lose the last second of the chain and leave half a state file behind.
    CO_TRY(auto process, async::ChildProcess::start(executor, arguments(settings, port),
                             settings.log, async::AtOurEnd::terminate));
    std::unique_ptr<DevelopmentChain> chain(new DevelopmentChain(std::move(process), port));
    auto ready = co_await chain->wait_ready(executor, std::move(settings));
    if (!ready) {
        co_return fail(std::move(ready.error()));
    }
    co_return chain;
}

async::Task<Result<void>> DevelopmentChain::wait_ready(
    async::Executor executor, AnvilSettings settings) {
    const auto transport = make_http_transport(executor);
    JsonRpc rpc(*transport, {url()}, {.timeout = std::chrono::seconds(2)});
    EthereumClient client(rpc);
    const auto end = std::chrono::steady_clock::now() + settings.ready_timeout;
    Result<void> out = fail(ChainError::timeout, "anvil did not answer in time");
    while (std::chrono::steady_clock::now() < end) {
        if (!running()) {
            out = fail(ChainError::process,
                settings.program.string() + " ended early: " + process_->last_words());
            break;
        }
        const auto id = co_await client.chain_id();
        if (id && *id != settings.chain_id) {
            out = fail(ChainError::wrong_chain, url() + " is chain " + std::to_string(*id) +
                                                    ", not " + std::to_string(settings.chain_id));
            break;
        }
        if (id) {
            out = Result<void>{};
            break;
        }
        co_await async::delay(kReadyPoll);
    }
    co_await transport->stop();
    co_return out;
}

std::string DevelopmentChain::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

async::Task<void> DevelopmentChain::stop(std::chrono::steady_clock::duration grace) {
    co_await process_->stop(grace);
}

}  // namespace decloud::chain
