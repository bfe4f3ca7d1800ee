#include "anvil.hpp"

#include "ethereum.hpp"
#include "json_rpc.hpp"

#include <decloud/async/timeout.hpp>

#include <arpa/inet.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
constexpr std::size_t kLogTail = 600;

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
        std::to_string(port), "--chain-id", std::to_string(settings.chain_id)};
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

// Runs in the forked child: only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, int output, pid_t parent) {
    // A group of its own, so that Ctrl-C in a terminal reaches us first and not both.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(127);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    close_range(3, ~0U, 0);
    execv(argv[0], argv);
    _exit(127);
}

Result<pid_t> spawn(const AnvilSettings& settings, std::uint16_t port) {
    const fs::path log = settings.log.empty() ? fs::path("/dev/null") : settings.log;
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) {
        return fail(errno_error("open " + log.string()));
    }
    std::vector<std::string> words = arguments(settings, port);
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
        become(argv.data(), output, parent);
    }
    const int error = errno;
    close(output);
    if (child < 0) {
        return fail(errno_error("fork", error));
    }
    return child;
}

std::string log_tail(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    return text.substr(text.size() - std::min(text.size(), kLogTail));
}

}  // namespace

Result<fs::path> find_anvil(const fs::path& configured, const std::vector<fs::path>& roots) {
    const char* const variable = std::getenv("DECLOUD_ANVIL");
    const fs::path wanted =
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
    CO_TRY(const pid_t pid, spawn(settings, port));
    std::unique_ptr<DevelopmentChain> chain(new DevelopmentChain(
        pid, static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), port, executor));
    if (chain->pid_fd_ < 0) {
        co_return fail(errno_error("pidfd_open"));
    }
    auto ready = co_await chain->wait_ready(settings);
    if (!ready) {
        co_return fail(std::move(ready.error()));
    }
    co_return chain;
}

async::Task<Result<void>> DevelopmentChain::wait_ready(AnvilSettings settings) {
    const auto transport = make_http_transport(executor_);
    JsonRpc rpc(*transport, {url()}, {.timeout = std::chrono::seconds(2)});
    EthereumClient client(rpc);
    const auto end = std::chrono::steady_clock::now() + settings.ready_timeout;
    Result<void> out = fail(ChainError::timeout, "anvil did not answer in time");
    while (std::chrono::steady_clock::now() < end) {
        if (!running()) {
            out = fail(ChainError::process,
                settings.program.string() + " ended early: " + log_tail(settings.log));
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

DevelopmentChain::~DevelopmentChain() {
    if (running()) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (pid_fd_ >= 0) {
        close(pid_fd_);
    }
}

std::string DevelopmentChain::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

bool DevelopmentChain::running() {
    if (!ended_ && waitpid(pid_, nullptr, WNOHANG) != 0) {
        ended_ = true;
    }
    return !ended_;
}

async::Task<Result<void>> DevelopmentChain::wait_exit() {
    boost::asio::posix::stream_descriptor exit(executor_, dup(pid_fd_));
    co_await exit.async_wait(
        boost::asio::posix::stream_descriptor::wait_read, boost::asio::use_awaitable);
    co_return Result<void>{};
}

async::Task<void> DevelopmentChain::stop(std::chrono::steady_clock::duration grace) {
    if (!running()) {
        co_return;
    }
    kill(pid_, SIGTERM);
    if (!co_await async::with_timeout(grace, wait_exit())) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        ended_ = true;
        co_return;
    }
    (void)running();
}

}  // namespace decloud::chain
