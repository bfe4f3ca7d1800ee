#include "way_out.hpp"

#include "../testing/fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <string>

namespace decloud::sandbox {
namespace {

using testing::Answer;
using ::testing::HasSubstr;
using ::testing::Not;

/// Says hello to whoever connects, and counts.
class Greeter final : public EgressProxy {
  public:
    Greeter(const async::Executor& executor, int listener)
        : acceptor_(executor, boost::asio::ip::tcp::v4(), listener), tasks_(executor) {
        tasks_.spawn(greet());
    }
    [[nodiscard]] EgressUse use() const override { return use_; }
    [[nodiscard]] async::Task<void> stop() override {
        tasks_.cancel();
        co_await tasks_.join();
    }

  private:
    async::Task<void> greet() {
        for (;;) {
            auto [failed, socket] =
                co_await acceptor_.async_accept(boost::asio::as_tuple(boost::asio::use_awaitable));
            if (failed) {
                co_return;
            }
            ++use_.requests;
            const auto [error, sent] = co_await boost::asio::async_write(socket,
                boost::asio::buffer("hello", 5), boost::asio::as_tuple(boost::asio::use_awaitable));
            use_.received_bytes += error ? 0 : sent;
        }
    }

    boost::asio::ip::tcp::acceptor acceptor_;
    EgressUse use_;
    async::TaskGroup tasks_;
};

class Greetings final : public Egress {
  public:
    explicit Greetings(async::Executor executor) : executor_(std::move(executor)) {}
    [[nodiscard]] Result<std::unique_ptr<EgressProxy>> open(int listener) override {
        return std::make_unique<Greeter>(executor_, listener);
    }
    [[nodiscard]] std::unique_ptr<EgressConnections> open() override {
        ADD_FAILURE() << "only components are asked for connections";
        return nullptr;
    }

  private:
    async::Executor executor_;
};

class WayOut : public testing::SandboxTest {
  protected:
    WayOut() { runtime_ = "native"; }
    SandboxSettings settings() override {
        SandboxSettings wanted = SandboxTest::settings();
        wanted.runtimes.emplace_back("verifier");
        return wanted;
    }
    Manifest manifest(const std::string& runtime, const std::string& entry) {
        Manifest manifest{.runtime = runtime, .entry = entry, .limits = {}};
        manifest.egress = std::make_shared<Greetings>(context_.get_executor());
        return manifest;
    }
    std::shared_ptr<const Artifact> program() {
        auto made = run(sandbox_->prepare("bafyout", "owner",
            testing::program_package("native_probe"), manifest("native", "native_probe")));
        EXPECT_TRUE(made) << made.error().message();
        return made ? *made : nullptr;
    }
};

TEST_F(WayOut, LeadsToItsProxyAndNowhereElse) {
    const auto probe = program();
    for (const std::uint64_t calls : {1, 2, 3}) {
        const Answer answer = call(probe, {{"MODE", "proxy"}});
        EXPECT_TRUE(answer.outcome.succeeded()) << calls << answer.outcome.detail;
        EXPECT_THAT(answer.output, HasSubstr("the proxy says hello\n"));
        EXPECT_THAT(answer.output, HasSubstr("127.0.0.1 Connection refused\n"));
        EXPECT_THAT(answer.output, HasSubstr("10.0.0.1 Network is unreachable\n"));
        EXPECT_THAT(answer.output, Not(HasSubstr("ALLOWED")));
        // Of this call alone.
        EXPECT_EQ(answer.outcome.egress, (EgressUse{.requests = 1, .received_bytes = 5}));
    }
}

TEST_F(WayOut, AddsTcpToWhatAProgramMayDoAndNothingMore) {
    const std::string text = call(program(), {{"MODE", "attempts"}}).output;
    const std::size_t allowed = text.find("inet ALLOWED\n");
    ASSERT_NE(allowed, std::string::npos) << text;
    EXPECT_EQ(text.find("ALLOWED"), allowed + 5) << text;
    EXPECT_EQ(text.rfind("ALLOWED"), allowed + 5) << text;
}

TEST_F(WayOut, LeavesNoDescriptorAndNoCapability) {
    const auto probe = program();
    EXPECT_EQ(call(probe, {{"MODE", "descriptors"}}).output, "0\n1\n2\n");
    const std::string identity = call(probe, {{"MODE", "identity"}}).output;
    EXPECT_THAT(identity, HasSubstr("CapEff:\t0000000000000000"));
    EXPECT_THAT(identity, HasSubstr("Seccomp:\t2"));
}

TEST_F(WayOut, IsNotThereForWhoDoesNotAskForIt) {
    ASSERT_EQ(call(program(), {{"MODE", "proxy"}}).outcome.exit_code, 0);
    const Answer answer = probe("proxy");
    EXPECT_EQ(answer.output, "no proxy\n");
    EXPECT_FALSE(answer.outcome.egress);
    EXPECT_THAT(probe("attempts").output, HasSubstr("inet Address family not supported"));
}

TEST_F(WayOut, VariablesOfTheDeploymentComeFirst) {
    const Answer answer =
        call(program(), {{"MODE", "env"}, {"HTTP_PROXY", "mine"}, {"https_proxy", ""}});
    EXPECT_EQ(answer.output,
        "MODE=env\nHTTP_PROXY=mine\nhttps_proxy=\nHTTPS_PROXY=http://127.0.0.1:3128\n"
        "http_proxy=http://127.0.0.1:3128\narguments 1\n");
}

TEST_F(WayOut, IsRefusedWhereARuntimeHasNone) {
    EXPECT_EQ(sandbox_->accepts(manifest("verifier", "a.wasm")).error().code(),
        CommonError::invalid_input);
    const auto module = run(sandbox_->prepare("bafymodule", "owner",
        testing::program_package("wasm_hello"), manifest("wasm", "wasm_hello")));
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().code(), CommonError::invalid_input);
    EXPECT_TRUE(sandbox_->accepts(manifest("oci", "image.tar")));
}

}  // namespace
}  // namespace decloud::sandbox
