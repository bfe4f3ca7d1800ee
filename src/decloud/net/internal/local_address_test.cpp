#include "local_address.hpp"

#include "../testing/test_loop.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/net/http/client.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace decloud::net::internal {
namespace {

namespace fs = std::filesystem;

TEST(LocalAddress, LeavesAShortPathAsItIs) {
    EXPECT_EQ(LocalAddress::of("/run/x.sock")->endpoint().path(), "/run/x.sock");
}

TEST(LocalAddress, NamesAFolderThatIsNotThere) {
    const auto address = LocalAddress::of("/" + std::string(200, 'a') + "/x.sock");
    ASSERT_FALSE(address.has_value());
    EXPECT_EQ(address.error(), make_error_code(CommonError::not_found));
}

TEST(LocalAddress, RefusesAFileNameThatIsTooLong) {
    const auto address = LocalAddress::of("/tmp/" + std::string(120, 'a'));
    ASSERT_FALSE(address.has_value());
    EXPECT_EQ(address.error(), make_error_code(CommonError::invalid_input));
}

TEST(LocalAddress, AServerIsReachedBelowALongFolder) {
    const TemporaryFolder owned;
    const fs::path folder = owned.path() / std::string(150, 'x');
    fs::create_directory(folder);
    const std::string path = (folder / "operator.sock").string();
    testing::run_loop([&](async::Executor executor) -> async::Task<void> {
        testing::TestServer server(
            executor,
            [](http::Exchange exchange) -> async::Task<void> {
                (void)co_await exchange.send({}, "here");
            },
            {}, Endpoint{.ip = {}, .port = 0, .unix_path = path});
        EXPECT_TRUE(fs::is_socket(path));
        http::Client client(executor, {}, OutboundPolicy::trusted());
        auto answer = co_await client.request(parse_url("unix:" + path).value(), {});
        EXPECT_TRUE(answer.has_value()) << answer.error().message();
        if (answer) {
            EXPECT_EQ((co_await answer->read_all(100)).value(), to_bytes("here"));
        }
        co_await client.stop();
        co_await server.stop();
    });
}

}  // namespace
}  // namespace decloud::net::internal
