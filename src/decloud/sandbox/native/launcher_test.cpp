#include "../testing/fixture.hpp"
#include "launcher_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <optional>

namespace decloud::sandbox::native {

namespace {

internal::WorkerProcess start_launcher() {
    auto process = internal::WorkerProcess::start(DECLOUD_TEST_WORKER, {"launch", "cgroup", "0"});
    EXPECT_TRUE(process) << process.error().message();
    return process ? std::move(*process) : internal::WorkerProcess();
}

Bytes long_run(std::uint64_t id) {
    ProgramStart start;
    start.arguments.assign(1, std::string(internal::kMaximumMessage, 'x'));
    return encode_run(id, start, {}, {});
}

TEST(Launcher, GoesOnAfterAMessageThatIsTooLong) {
    auto process = start_launcher();
    const int socket = process.socket().get();
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ASSERT_EQ(::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    Bytes buffer(internal::kMaximumMessage);
    ASSERT_TRUE(internal::receive_message(socket, buffer, 0));
    for (const std::uint64_t id : {7U, 8U}) {
        ASSERT_TRUE(internal::send_message(socket, long_run(id), {}, 0));
        const auto answer = internal::receive_message(socket, buffer, 0);
        ASSERT_TRUE(answer) << answer.error().message();
        // Empty if the launcher has ended.
        const RunDone done = parse_done(answer->data).value_or(RunDone{});
        EXPECT_EQ(done.id, id);
        EXPECT_EQ(done.end, Outcome::End::sandbox_failed);
    }
}

TEST(Launcher, IsNotSentAMessageThatIsTooLong) {
    boost::asio::io_context context;
    LauncherClient client(context.get_executor(), start_launcher());
    PendingRun run(context.get_executor());
    client.start(run, client.next_id(), long_run(1), {});
    EXPECT_TRUE(run.done.is_set());
    EXPECT_EQ(run.result.value_or(RunDone{}).end, Outcome::End::limit);
    EXPECT_FALSE(client.ended());
    boost::asio::co_spawn(context, client.stop(), boost::asio::detached);
    context.run();
}

}  // namespace

}  // namespace decloud::sandbox::native
