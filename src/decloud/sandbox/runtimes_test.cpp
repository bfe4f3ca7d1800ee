#include "testing/fixture.hpp"

namespace decloud::sandbox {
namespace {

using End = Outcome::End;

/// What holds in each runtime alike.
class EveryRuntime : public testing::SandboxTest,
                     public ::testing::WithParamInterface<const char*> {
  protected:
    EveryRuntime() { runtime_ = GetParam(); }
};

TEST_P(EveryRuntime, NeverTakesABrokenBodyForAWholeOne) {
    ASSERT_EQ(probe("exit", "0").outcome.end, End::exited);
    for (int round = 0; round < 10; ++round) {
        auto sink = std::make_shared<testing::CollectingSink>();
        const Outcome outcome = run(sandbox_->invoke(probe_, {{"MODE", "await_end"}},
            std::make_shared<testing::BreakingBody>(200'000), sink, Limits{},
            async::CancellationToken{}));
        EXPECT_EQ(outcome.end, End::killed) << outcome.detail;
        EXPECT_EQ(as_text(sink->bytes), "");
    }
}

INSTANTIATE_TEST_SUITE_P(Sandbox, EveryRuntime, ::testing::Values("wasm", "native"));

}  // namespace
}  // namespace decloud::sandbox
