#include "call_output.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace decloud::services {
namespace {

/// Keeps a whole answer.
class KeptAnswer final : public protocol::Responder {
  public:
    Result<void> send(net::http::ResponseHead head, Bytes body) override {
        status = head.status;
        text = as_text(body);
        return {};
    }
    [[nodiscard]] async::Task<Result<void>> start(net::http::ResponseHead /*head*/) override {
        co_return fail(CommonError::internal, "a whole answer was started");
    }
    [[nodiscard]] async::Task<Result<void>> write(BytesView /*bytes*/) override {
        co_return fail(CommonError::internal, "a whole answer was written in parts");
    }
    [[nodiscard]] bool started() const override { return false; }

    std::optional<int> status;
    std::string text;
};

class CallOutputTest : public testing::Test {
  protected:
    /// What `finish` gives, without anything that would have to wait.
    bool finish() {
        std::optional<Result<void>> result;
        async::TaskGroup group(context_.get_executor());
        group.spawn([](CallOutput& target, std::optional<Result<void>>& out) -> async::Task<void> {
            out = co_await target.finish();
        }(*output_, result));
        context_.run();
        return result && result->has_value();
    }
    static sandbox::Outcome exited(int code) {
        sandbox::Outcome outcome;
        outcome.end = sandbox::Outcome::End::exited;
        outcome.exit_code = code;
        return outcome;
    }

    boost::asio::io_context context_;
    KeptAnswer answer_;
    SlowAnswers slow_{context_.get_executor()};
    std::shared_ptr<CallOutput> output_ = std::make_shared<CallOutput>(
        answer_, slow_, sandbox::CgiParser::Mode::automatic, "/cid", context_.get_executor());
};

TEST_F(CallOutputTest, TakesTheWholeOutputOfAProgramThatEndedWell) {
    EXPECT_TRUE(output_->take_whole(as_bytes("Status: 201\n\nmade\n"), exited(0)));
    EXPECT_TRUE(finish());
    EXPECT_EQ(answer_.status, 201);
    EXPECT_EQ(answer_.text, "made\n");
}

TEST_F(CallOutputTest, LeavesTheOutputOfAProgramThatFailedToBeWritten) {
    EXPECT_FALSE(output_->take_whole(as_bytes("half an ans"), exited(1)));
    EXPECT_EQ(output_->received(), 0U);
}

TEST_F(CallOutputTest, LeavesALargeOutputToBeStreamed) {
    EXPECT_FALSE(output_->take_whole(Bytes(64 * 1024 + 1, 'x'), exited(0)));
}

}  // namespace
}  // namespace decloud::services
