#include "policy_keeper.hpp"

#include "policy_test_support.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <fstream>

namespace decloud::policy {
namespace {

class PolicyKeeperTest : public testing::Test {
  protected:
    void write(const std::string& name, const std::string& text) {
        const std::filesystem::path partial = folder_.path() / "partial";
        std::ofstream(partial) << text;
        std::filesystem::rename(partial, folder_.path() / name);
    }
    std::unique_ptr<PolicyKeeper> open() {
        auto keeper = PolicyKeeper::open(folder_.path() / "policy.toml");
        EXPECT_TRUE(keeper);
        return std::move(*keeper);
    }
    void refresh(PolicyKeeper& keeper) {
        boost::asio::io_context context;
        boost::asio::co_spawn(context, keeper.refresh(pool_), boost::asio::detached);
        context.run();
    }

    TemporaryFolder folder_;
    boost::asio::thread_pool pool_{1};
};

TEST_F(PolicyKeeperTest, AllowsEverythingUntilThereIsAFile) {
    const auto keeper = open();
    EXPECT_EQ(Asked().verdict(*keeper->current()), Verdict::allowed);
    write("policy.toml", "default = \"deny\"");
    refresh(*keeper);
    EXPECT_EQ(Asked().verdict(*keeper->current()), Verdict::denied);
}

TEST_F(PolicyKeeperTest, DoesNotStartWithABrokenFile) {
    write("policy.toml", "\ndefault = 1");
    const auto keeper = PolicyKeeper::open(folder_.path() / "policy.toml");
    ASSERT_FALSE(keeper);
    EXPECT_THAT(keeper.error().detail(), testing::HasSubstr("policy.toml:2: "));
}

TEST_F(PolicyKeeperTest, KeepsTheOldOneWhileTheNewOneIsBrokenOrGone) {
    write("policy.toml", "default = \"deny\"");
    const auto keeper = open();
    const auto before = keeper->current();
    write("policy.toml", "default = deny");
    refresh(*keeper);
    EXPECT_EQ(keeper->current(), before);
    std::filesystem::remove(folder_.path() / "policy.toml");
    refresh(*keeper);
    EXPECT_EQ(keeper->current(), before);
    write("policy.toml", "default = \"allow\"");
    refresh(*keeper);
    EXPECT_EQ(Asked().verdict(*keeper->current()), Verdict::allowed);
}

TEST_F(PolicyKeeperTest, ReadsNothingAgainThatHasNotChanged) {
    write("policy.toml", "default = \"deny\"");
    const auto keeper = open();
    const auto before = keeper->current();
    refresh(*keeper);
    EXPECT_EQ(keeper->current(), before);
}

TEST_F(PolicyKeeperTest, FollowsTheFilesThatThePolicyNamesAlsoWhileTheyAreBroken) {
    write("policy.toml",
        "default = \"deny\"\n[group.friends]\nids-file = \"friends.txt\"\n"
        "[[rule]]\ngroup = \"friends\"\nallow = true\n");
    write("friends.txt", kAnna + "\n");
    const auto keeper = open();
    EXPECT_EQ(Asked({kBert}).verdict(*keeper->current()), Verdict::denied);
    write("friends.txt", "nonsense\n");
    refresh(*keeper);
    EXPECT_EQ(Asked({kAnna}).verdict(*keeper->current()), Verdict::allowed);
    write("friends.txt", kBert + "\n");
    refresh(*keeper);
    EXPECT_EQ(Asked({kBert}).verdict(*keeper->current()), Verdict::allowed);
    EXPECT_EQ(Asked({kAnna}).verdict(*keeper->current()), Verdict::denied);
}

}  // namespace
}  // namespace decloud::policy
