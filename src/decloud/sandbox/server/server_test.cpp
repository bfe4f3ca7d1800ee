#include "../testing/fixture.hpp"
#include "../testing/numbers.hpp"
#include "../testing/processes.hpp"

#include <decloud/async/task_group.hpp>

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <fstream>

namespace decloud::sandbox {
namespace {

using testing::Answer;
using testing::CollectingSink;
using End = Outcome::End;
using ::testing::HasSubstr;
using ::testing::Not;

class Server : public testing::SandboxTest {
  protected:
    SandboxSettings settings() override {
        SandboxSettings settings = SandboxTest::settings();
        settings.server_end = std::chrono::milliseconds(300);
        settings.server_pause = std::chrono::milliseconds(1);
        settings.servers_per_deployment = per_deployment_;
        settings.servers = in_all_;
        settings.server_freeze = freeze_;
        settings.metrics = &numbers_;
        return settings;
    }

    std::shared_ptr<const Artifact> server(
        std::uint32_t concurrency = 8, std::chrono::milliseconds idle = std::chrono::minutes(1)) {
        auto made =
            run(sandbox_->prepare("bafyserver", "owner", testing::program_package("server_probe"),
                {.runtime = "server",
                    .entry = "server_probe",
                    .limits = {},
                    .concurrency = concurrency,
                    .idle = idle}));
        EXPECT_TRUE(made) << made.error().message();
        return made ? *made : nullptr;
    }

    static CgiRequest request(const std::string& path, const std::string& cid) {
        CgiRequest request;
        request.method = "GET";
        request.script_name = "/" + cid;
        request.request_uri = "/" + cid + path;
        request.server_name = "localhost";
        request.server_port = 80;
        request.remote_address = "127.0.0.1";
        request.cid = cid;
        return request;
    }

    async::Task<Answer> asking(std::shared_ptr<const Artifact> artifact,
        std::string path,
        std::string cid = "one",
        Limits limits = {},
        Environment own = {},
        async::CancellationToken cancel = {}) {
        auto sink = std::make_shared<CollectingSink>();
        Answer answer;
        answer.outcome = co_await sandbox_->answer(artifact, request(path, cid), own,
            std::make_shared<MemoryBody>(Bytes()), sink, limits, cancel);
        const std::string text(as_text(sink->bytes));
        const std::size_t body = text.find("\n\n");
        answer.output = body == std::string::npos ? text : text.substr(body + 2);
        co_return answer;
    }
    Answer ask(const std::shared_ptr<const Artifact>& artifact,
        const std::string& path,
        const std::string& cid = "one",
        Limits limits = {},
        Environment own = {}) {
        return run(asking(artifact, path, cid, limits, std::move(own)));
    }

    std::size_t per_deployment_ = 1;
    std::size_t in_all_ = 16;
    std::chrono::milliseconds freeze_{0};
    testing::Numbers numbers_;
};

class OneServerAtATime : public Server {
  protected:
    OneServerAtATime() { in_all_ = 1; }
};

class TwoServersAtATime : public Server {
  protected:
    TwoServersAtATime() { in_all_ = 2; }
};

class ServerInPairs : public Server {
  protected:
    ServerInPairs() { per_deployment_ = 2; }
};

TEST_F(Server, StaysWarmBetweenCalls) {
    const auto program = server();
    for (const char* count : {"1\n", "2\n", "3\n"}) {
        const Answer answer = ask(program, "/count");
        EXPECT_EQ(answer.outcome.end, End::exited) << answer.outcome.detail;
        EXPECT_EQ(answer.output, count);
    }
}

TEST_F(Server, GetsTheRequestAndTheDeploymentsEnvironmentOnly) {
    ::setenv("DECLOUD_CANARY", "do not show", 1);
    const auto program = server();
    EXPECT_THAT(ask(program, "/echo/this?x=%20").output,
        ::testing::StartsWith("GET /echo/this?x=%20 HTTP/1.1\r\nhost: localhost\r\n"));
    EXPECT_EQ(
        ask(program, "/environment", "two", {}, {{"SECRET", "s"}, {"LISTEN_FDS", "9"}}).output,
        "LISTEN_FDS=1\nLISTEN_PID=2\nDECLOUD_CID=two\nSECRET=s\n");
}

TEST_F(Server, PassesStatusAndRepeatedHeadersButNoReservedOnes) {
    auto sink = std::make_shared<CollectingSink>();
    const Outcome outcome = run(sandbox_->answer(server(), request("/cookies", "one"), {},
        std::make_shared<MemoryBody>(Bytes()), sink, {}, {}));
    EXPECT_TRUE(outcome.succeeded()) << outcome.detail;
    CgiParser parser(CgiParser::Mode::cgi);
    parser.feed(sink->bytes);
    parser.finish();
    ASSERT_NE(parser.head(), nullptr);
    EXPECT_EQ(parser.head()->status, 418);
    EXPECT_EQ(parser.head()->reason, "I'm a teapot");
    EXPECT_THAT(parser.head()->headers, ::testing::IsSupersetOf(HeaderPairs{{"Set-Cookie", "a=1"},
                                            {"X-Own", "yes"}, {"Set-Cookie", "b=2"}}));
    for (const auto& [name, value] : parser.head()->headers) {
        EXPECT_THAT(value, Not(HasSubstr("forged"))) << name;
    }
    EXPECT_EQ(as_text(parser.take_body()), "abcde");
}

TEST_F(Server, TakesAsManyCallsAtOnceAsItDeclares) {
    const auto program = server(2);
    std::optional<Answer> first;
    async::TaskGroup beside(context_.get_executor());
    beside.spawn([](async::Task<Answer> task, std::optional<Answer>& place) -> async::Task<void> {
        place = co_await std::move(task);
    }(asking(program, "/meet"), first));
    EXPECT_EQ(ask(program, "/meet").output, "met\n");
    run_void(beside.join());
    EXPECT_EQ(first.value_or(Answer{}).output, "met\n");
}

TEST_F(Server, SharesNoProcessBetweenDeploymentsOfTheSameProgram) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/traces", "one").output, "left\n");
    EXPECT_EQ(ask(program, "/count", "two").output, "1\n");
    const std::string seen = ask(program, "/look", "two").output;
    // Its own two processes, nothing of the other's, no network, no files of the host.
    EXPECT_EQ(seen, "/proc/1\n/proc/2\n");
}

TEST_F(Server, LeavesNothingForItsSuccessor) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/traces").output, "left\n");
    EXPECT_EQ(ask(program, "/exit").outcome.end, End::trapped);
    EXPECT_EQ(ask(program, "/look").output, "/proc/1\n/proc/2\n");
}

TEST_F(Server, IsStartedAgainAfterACrash) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/count").output, "1\n");
    const Answer crash = ask(program, "/exit");
    EXPECT_EQ(crash.outcome.end, End::trapped);
    EXPECT_THAT(crash.outcome.detail, HasSubstr("exit code 3"));
    EXPECT_EQ(ask(program, "/count").output, "1\n");
}

TEST_F(Server, IsNotStartedForEverIfItCrashesAtOnce) {
    const auto program = server();
    std::string last;
    for (int round = 0; round < 40 && last.find("in a row") == std::string::npos; ++round) {
        const Answer answer =
            ask(program, "/count", "one", quick(std::chrono::milliseconds(500)), {{"UNABLE", "1"}});
        EXPECT_FALSE(answer.outcome.succeeded());
        EXPECT_FALSE(answer.outcome.provider_fault()) << answer.outcome.detail;
        last = answer.outcome.detail;
    }
    EXPECT_THAT(last, HasSubstr("times in a row, the last time so: exit code 9"));
}

TEST_F(Server, IsToBlameForAnAnswerThatIsNone) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/garbage").outcome.end, End::trapped);
    const Answer half = ask(program, "/half");
    EXPECT_EQ(half.outcome.end, End::trapped);
    EXPECT_EQ(half.output, "half");
}

TEST_F(Server, IsReplacedWhenACallTakesTooLong) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/hang", "one", quick(std::chrono::milliseconds(200))).outcome.end,
        End::timed_out);
    EXPECT_EQ(ask(program, "/count").output, "1\n");
}

TEST_F(Server, IsReplacedWhenItIsFullOfDeadConnections) {
    const auto program = server(200);
    async::CancellationSource source;
    std::vector<Answer> answers(140);
    async::TaskGroup beside(context_.get_executor());
    for (Answer& each : answers) {
        beside.spawn([](async::Task<Answer> task, Answer& place) -> async::Task<void> {
            place = co_await std::move(task);
        }(asking(program, "/", "one", {}, {{"DEAF", "1"}}, source.token()), each));
    }
    boost::asio::steady_timer timer(context_, std::chrono::milliseconds(20));
    timer.async_wait([&](const auto&) { source.cancel(); });
    run_void(beside.join());
    const auto full = [](const Answer& each) { return each.outcome.end == End::trapped; };
    ASSERT_TRUE(std::ranges::any_of(answers, full));
    // Another instance takes the connection.
    EXPECT_EQ(ask(program, "/", "one", quick(std::chrono::milliseconds(2000)), {{"DEAF", "1"}})
                  .outcome.end,
        End::timed_out);
}

TEST_F(Server, StaysWithinItsMemory) {
    if (::geteuid() != 0) {
        return;
    }
    const auto program = server();
    Limits limits;
    limits.memory_bytes = 16 * kMiB;
    EXPECT_EQ(ask(program, "/memory", "one", limits).outcome.end, End::out_of_memory);
    EXPECT_EQ(ask(program, "/count", "one", limits).output, "1\n");
}

TEST_F(Server, EndsACallThatIsCancelledAndServesOthers) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/count").output, "1\n");
    async::CancellationSource source;
    boost::asio::steady_timer timer(context_, std::chrono::milliseconds(20));
    timer.async_wait([&](const auto&) { source.cancel(); });
    EXPECT_EQ(
        run(asking(program, "/hang", "one", {}, {}, source.token())).outcome.end, End::killed);
    // The same instance, which may have seen that call or not.
    EXPECT_THAT(ask(program, "/count").output, ::testing::AnyOf("2\n", "3\n"));
}

TEST_F(Server, IsEndedWhenNobodyCallsIt) {
    const auto program = server(1, std::chrono::milliseconds(1));
    EXPECT_EQ(ask(program, "/count", "one", {}, {{"STUBBORN", "1"}}).output, "1\n");
    // It ignores SIGTERM: the call that finds another instance has waited for SIGKILL.
    std::string count;
    for (int round = 0; round < 1000 && count != "1\n"; ++round) {
        context_.restart();
        context_.run_for(std::chrono::milliseconds(20));
        count = ask(program, "/count", "one", {}, {{"STUBBORN", "1"}}).output;
    }
    EXPECT_EQ(count, "1\n");
}

TEST_F(OneServerAtATime, MakesRoomForAnotherDeployment) {
    const auto program = server();
    for (const char* cid : {"one", "two", "one", "three"}) {
        EXPECT_EQ(ask(program, "/count", cid).output, "1\n") << cid;
    }
}

TEST_F(TwoServersAtATime, EndsOneInstanceOnlyForManyWhoWait) {
    const auto program = server();
    EXPECT_EQ(ask(program, "/count", "one").output, "1\n");
    EXPECT_EQ(ask(program, "/count", "two").output, "1\n");
    std::optional<Answer> first;
    async::TaskGroup beside(context_.get_executor());
    beside.spawn([](async::Task<Answer> task, std::optional<Answer>& place) -> async::Task<void> {
        place = co_await std::move(task);
    }(asking(program, "/meet", "three"), first));
    EXPECT_EQ(ask(program, "/meet", "three").output, "met\n");
    run_void(beside.join());
    EXPECT_EQ(ask(program, "/count", "two").output, "2\n");
}

TEST_F(ServerInPairs, StartsAnotherInstanceWhenTheFirstIsBusy) {
    const auto program = server(1);
    std::optional<Answer> first;
    async::TaskGroup beside(context_.get_executor());
    beside.spawn([](async::Task<Answer> task, std::optional<Answer>& place) -> async::Task<void> {
        place = co_await std::move(task);
    }(asking(program, "/hang", "one", quick(std::chrono::milliseconds(500))), first));
    EXPECT_EQ(ask(program, "/count").output, "1\n");
    run_void(beside.join());
    EXPECT_EQ(first.value_or(Answer{}).outcome.end, End::timed_out);
}

/// Freezing needs cgroups, which few hosts delegate to ordinary users.
class FreezingServer : public Server {
  protected:
    FreezingServer() { freeze_ = std::chrono::milliseconds(20); }
    void SetUp() override {
        Server::SetUp();
        if (::geteuid() != 0) {
            GTEST_SKIP() << "not root";
        }
    }

    /// Its processor time grows while the sandbox is driven for a moment.
    bool grows(pid_t process) {
        const auto before = testing::processor_ticks(process);
        drive(std::chrono::milliseconds(100));
        return testing::processor_ticks(process) > before;
    }
    void drive(std::chrono::milliseconds time) {
        context_.restart();
        context_.run_for(time);
    }
    /// A server with a thread that never rests, once it stands still.
    pid_t frozen_spinner(const std::shared_ptr<const Artifact>& program, Environment own = {}) {
        EXPECT_EQ(ask(program, "/spin", "one", {}, std::move(own)).output, "spinning\n");
        const pid_t process = testing::find_descendant("server_probe");
        EXPECT_GT(process, 0);
        int still = 0;
        for (int round = 0; round < 200 && still < 2; ++round) {
            still = grows(process) ? 0 : still + 1;
        }
        return process;
    }
    double servers(const std::string& state) {
        return numbers_.value("decloud_servers server " + state);
    }
    double all_servers() { return servers("frozen") + servers("idle") + servers("busy"); }
};

class NeverFrozenServer : public FreezingServer {
  protected:
    NeverFrozenServer() { freeze_ = std::chrono::milliseconds(0); }
};

TEST_F(FreezingServer, StandsStillUntilTheNextCall) {
    const auto program = server();
    // Its call takes longer than it may be idle.
    const pid_t process = frozen_spinner(program);
    EXPECT_FALSE(grows(process));
    EXPECT_EQ(servers("frozen"), 1);
    EXPECT_EQ(ask(program, "/count").output, "2\n");
    EXPECT_EQ(testing::find_descendant("server_probe"), process);
    EXPECT_EQ(numbers_.value("decloud_server_calls_total server new"), 1);
    EXPECT_EQ(numbers_.value("decloud_server_calls_total server frozen"), 1);
}

TEST_F(FreezingServer, IsEndedWhileItStandsStill) {
    for (const Environment& own : {Environment{}, Environment{{"STUBBORN", "1"}}}) {
        const auto program = server(1, std::chrono::milliseconds(500));
        const pid_t process = frozen_spinner(program, own);
        for (int round = 0; round < 200 && all_servers() > 0; ++round) {
            drive(std::chrono::milliseconds(50));
        }
        EXPECT_EQ(all_servers(), 0);
        EXPECT_EQ(testing::find_descendant("server_probe"), 0);
        EXPECT_EQ(::kill(process, 0), -1);
        // Another one runs in the same group.
        EXPECT_EQ(ask(program, "/count", "one", {}, own).output, "1\n");
        restart();
    }
}

TEST_F(FreezingServer, EndsWithTheSandbox) {
    const pid_t process = frozen_spinner(server());
    run_void(sandbox_->stop());
    EXPECT_EQ(::kill(process, 0), -1);
}

TEST_F(NeverFrozenServer, GoesOnWhileNobodyCallsIt) {
    EXPECT_EQ(ask(server(), "/spin").output, "spinning\n");
    const pid_t process = testing::find_descendant("server_probe");
    const auto before = testing::processor_ticks(process);
    for (int round = 0; round < 200 && testing::processor_ticks(process) < before + 10; ++round) {
        drive(std::chrono::milliseconds(100));
    }
    EXPECT_GE(testing::processor_ticks(process), before + 10);
    EXPECT_EQ(servers("idle"), 1);
}

TEST_F(Server, LeavesNothingInTheCacheFolder) {
    EXPECT_EQ(ask(server(), "/count").output, "1\n");
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("listen")));
    }
}

}  // namespace
}  // namespace decloud::sandbox
