#include "testing/fixture.hpp"

namespace decloud::sandbox {
namespace {

/// Caches with room for nothing, so that only what is in use stays.
class FullCaches : public testing::SandboxTest, public ::testing::WithParamInterface<const char*> {
  protected:
    SandboxSettings settings() override {
        SandboxSettings settings = SandboxTest::settings();
        settings.compiled_cache_bytes = 1;
        settings.unpacked_cache_bytes = 1;
        return settings;
    }
    Result<std::shared_ptr<const Artifact>> make(const std::string& program) {
        return prepare(GetParam(), std::string(GetParam()) + "_" + program);
    }
    [[nodiscard]] bool is_kept(const std::string& program) const {
        const std::string runtime = GetParam();
        return sandbox_->is_prepared("bafytest" + program + runtime, "owner",
            {.runtime = runtime, .entry = runtime + "_" + program, .limits = {}});
    }
    void expect_hello(const std::shared_ptr<const Artifact>& hello) {
        const testing::Answer answer = call(hello, {});
        EXPECT_EQ(answer.output, "hello\n") << answer.outcome.detail;
    }
};

TEST_P(FullCaches, KeepWhatIsInUseAndRemoveWhatIsNot) {
    auto hello = make("hello");
    ASSERT_TRUE(hello) << hello.error().message();
    auto probe = make("probe");
    ASSERT_TRUE(probe) << probe.error().message();
    EXPECT_TRUE(is_kept("hello"));
    EXPECT_TRUE(is_kept("probe"));
    expect_hello(*hello);

    hello->reset();
    ASSERT_TRUE(make("probe"));
    EXPECT_FALSE(is_kept("hello"));
    EXPECT_TRUE(is_kept("probe"));

    hello = make("hello");
    ASSERT_TRUE(hello);
    expect_hello(*hello);
}

TEST_P(FullCaches, HaveWhatIsOnlyKeptForLaterLetGo) {
    auto kept = make("probe");
    ASSERT_TRUE(kept);
    sandbox_->on_full_cache([&kept] { return std::exchange(*kept, nullptr) != nullptr; });
    const auto hello = make("hello");
    ASSERT_TRUE(hello);
    EXPECT_EQ(*kept, nullptr);
    EXPECT_FALSE(is_kept("probe"));
    expect_hello(*hello);
    sandbox_->on_full_cache({});
}

TEST_P(FullCaches, RemoveAfterARestartWhatAnEarlierNodeLeft) {
    {
        const auto probe = make("probe");
        ASSERT_TRUE(probe);
    }
    restart();
    EXPECT_TRUE(is_kept("probe"));
    const auto hello = make("hello");
    ASSERT_TRUE(hello);
    EXPECT_FALSE(is_kept("probe"));
    EXPECT_TRUE(is_kept("hello"));
}

INSTANTIATE_TEST_SUITE_P(Runtimes, FullCaches, ::testing::Values("native", "wasm"));

}  // namespace
}  // namespace decloud::sandbox
