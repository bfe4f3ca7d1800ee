#include "child_process.hpp"

#include "timeout.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

namespace decloud::async {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLastWords = 2000;

// Runs in the forked child: only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, int output, pid_t parent, AtOurEnd at_our_end) {
    // A group of its own, so that Ctrl-C in a terminal reaches the parent alone.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, at_our_end == AtOurEnd::kill ? SIGKILL : SIGTERM);
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

}  // namespace

ChildProcess::ChildProcess(pid_t pid, int descriptor, Executor executor, fs::path log)
    : pid_(pid), descriptor_(descriptor), executor_(std::move(executor)), log_(std::move(log)) {}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(
    Executor executor, std::vector<std::string> words, fs::path log, AtOurEnd at_our_end) {
    if (log.empty()) {
        log = "/dev/null";
    }
    std::error_code missing;
    const std::uintmax_t size = fs::file_size(log, missing);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) {
        return fail(errno_error("open " + log.string()));
    }
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        become(argv.data(), output, parent, at_our_end);
    }
    const int error = errno;
    close(output);
    if (pid < 0) {
        return fail(errno_error("fork", error));
    }
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    std::unique_ptr<ChildProcess> child(
        new ChildProcess(pid, descriptor, std::move(executor), std::move(log)));
    if (descriptor < 0) {
        return fail(errno_error("pidfd_open"));
    }
    child->log_start_ = missing ? 0 : size;
    return child;
}

ChildProcess::~ChildProcess() {
    if (running()) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (descriptor_ >= 0) {
        close(descriptor_);
    }
}

bool ChildProcess::running() {
    if (!ended_ && waitpid(pid_, nullptr, WNOHANG) != 0) {
        ended_ = true;
    }
    return !ended_;
}

Task<void> ChildProcess::wait_exit() {
    while (running()) {
        boost::asio::posix::stream_descriptor exit(executor_, dup(descriptor_));
        co_await exit.async_wait(
            boost::asio::posix::stream_descriptor::wait_read, boost::asio::use_awaitable);
    }
}

Task<void> ChildProcess::stop(std::chrono::steady_clock::duration grace) {
    if (!running()) {
        co_return;
    }
    kill(pid_, SIGTERM);
    const auto exit = [this]() -> Task<Result<void>> {
        co_await wait_exit();
        co_return Result<void>{};
    };
    if (!co_await with_timeout(grace, exit()) && running()) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        ended_ = true;
    }
}

std::string ChildProcess::last_words() const {
    std::ifstream file(log_, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(log_start_));
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    return text.substr(text.size() - std::min(text.size(), kLastWords));
}

}  // namespace decloud::async
