#include "child_process.hpp"

#include "timeout.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

namespace decloud::async {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class ChildProcessTest : public ::testing::Test {
  protected:
    std::unique_ptr<ChildProcess> start(std::string script) {
        return ChildProcess::start(
            context_.get_executor(), {"/bin/sh", "-c", std::move(script)}, folder_.path() / "log")
            .value();
    }

    void run(std::function<Task<void>()> body) {
        bool ended = false;
        boost::asio::co_spawn(context_, body(), [&](std::exception_ptr error) {
            ended = true;
            if (error) {
                std::rethrow_exception(error);
            }
        });
        context_.run_for(30s);
        ASSERT_TRUE(ended);
    }

    boost::asio::io_context context_;
    TemporaryFolder folder_;
};

TEST_F(ChildProcessTest, KeepsWhatTheProgramSaid) {
    const auto child = start("echo out; echo err >&2");
    run([&]() -> Task<void> {
        co_await child->wait_exit();
        EXPECT_FALSE(child->running());
        EXPECT_EQ(child->last_words(), "out\nerr\n");
    });
}

TEST_F(ChildProcessTest, TellsOnlyWhatThisStartSaid) {
    const auto first = start("echo first");
    run([&]() -> Task<void> { co_await first->wait_exit(); });
    const auto second = start("echo second");
    context_.restart();
    run([&]() -> Task<void> { co_await second->wait_exit(); });
    EXPECT_EQ(second->last_words(), "second\n");
}

TEST_F(ChildProcessTest, KillsAProgramThatDoesNotHearTheSignal) {
    const auto child = start("trap '' TERM; echo ready; while :; do read x < /dev/null; done");
    run([&]() -> Task<void> {
        while (child->last_words().empty()) {
            co_await delay(1ms);
        }
        co_await child->stop(10ms);
        EXPECT_FALSE(child->running());
    });
}

TEST_F(ChildProcessTest, IsGoneWithItsOwner) {
    auto child = start("exec sleep 600");
    const pid_t pid = child->pid();
    child.reset();
    EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(ChildProcessTest, SaysWhereTheLogCannotBeWritten) {
    const auto child = ChildProcess::start(
        context_.get_executor(), {"/bin/true"}, folder_.path() / "missing" / "log");
    ASSERT_FALSE(child.has_value());
    EXPECT_NE(child.error().message().find("missing/log"), std::string::npos);
}

/// Starts a program that does not hear SIGTERM, writes its process id to `report`, and is killed.
[[noreturn]] void start_and_be_killed(const std::string& log, int report) {
    boost::asio::io_context context;
    const auto child = ChildProcess::start(
        context.get_executor(), {"/bin/sh", "-c", "trap '' TERM; echo ready; exec sleep 600"}, log);
    while (child && (*child)->last_words().empty()) {
        std::this_thread::yield();
    }
    const pid_t pid = child ? (*child)->pid() : 0;
    (void)!write(report, &pid, sizeof pid);
    kill(getpid(), SIGKILL);
    _exit(1);
}

TEST_F(ChildProcessTest, EndsWithUsEvenIfItDoesNotHearTheSignal) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t middle = fork();
    if (middle == 0) {
        start_and_be_killed(folder_.path() / "log", ends[1]);
    }
    close(ends[1]);
    pid_t program = 0;
    ASSERT_EQ(read(ends[0], &program, sizeof program), static_cast<ssize_t>(sizeof program));
    close(ends[0]);
    ASSERT_GT(program, 0);
    ASSERT_EQ(waitpid(middle, nullptr, 0), middle);
    run([program]() -> Task<void> {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (kill(program, 0) == 0 && std::chrono::steady_clock::now() < end) {
            co_await delay(1ms);
        }
        EXPECT_NE(kill(program, 0), 0);
    });
}

}  // namespace
}  // namespace decloud::async
