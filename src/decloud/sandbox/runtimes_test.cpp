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

TEST_P(EveryRuntime, NoProgramRunsLongerThanTheOperatorAllows) {
    Manifest manifest{.runtime = runtime_, .entry = runtime_ + "_probe", .limits = {}};
    const Limits most = sandbox_->most(runtime_);
    EXPECT_EQ(most.wall, runtime_ == "native" ? std::chrono::milliseconds(15'000)
                                              : std::chrono::milliseconds(900'000));
    manifest.limits.wall = most.wall;
    EXPECT_TRUE(sandbox_->accepts(manifest));
    manifest.limits.wall += std::chrono::milliseconds(1);
    const auto refused = sandbox_->accepts(manifest);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), make_error_code(CommonError::limit_exceeded));
    EXPECT_THAT(refused.error().detail(),
        ::testing::HasSubstr("'wall' of " + std::to_string(manifest.limits.wall.count()) +
                             " ms is above this provider's " + std::to_string(most.wall.count())));
}

class SomeRuntimes : public testing::SandboxTest {
  protected:
    SandboxSettings settings() override {
        SandboxSettings settings = SandboxTest::settings();
        settings.runtimes = {"wasm", "oci"};
        return settings;
    }
};

TEST_F(SomeRuntimes, AreOfferedIfTheOperatorWantsNoMore) {
    EXPECT_TRUE(sandbox_->has_runtime("wasm"));
    EXPECT_TRUE(sandbox_->has_runtime("oci"));
    for (const char* name : {"native", "server"}) {
        EXPECT_FALSE(sandbox_->has_runtime(name));
        const auto refused = prepare(name, "native_probe");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error(), make_error_code(CommonError::not_found));
    }
}

INSTANTIATE_TEST_SUITE_P(Sandbox, EveryRuntime, ::testing::Values("wasm", "native"));

}  // namespace
}  // namespace decloud::sandbox
