#include "home.hpp"

#include "error.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/store/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

namespace decloud::client {
namespace {

namespace fs = std::filesystem;

EnvironmentReader variables(std::map<std::string, std::string> values) {
    return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

TEST(Home, FlagStandsOverTheVariableOverXdg) {
    const auto all =
        variables({{"DECLOUD_HOME", "/variable"}, {"XDG_DATA_HOME", "/xdg"}, {"HOME", "/home/me"}});
    EXPECT_EQ(locate_home("/flag", all)->data, "/flag/data");
    EXPECT_EQ(locate_home("", all)->data, "/variable/data");
    const auto xdg = variables({{"XDG_DATA_HOME", "/xdg"}, {"HOME", "/home/me"}});
    EXPECT_EQ(locate_home("", xdg)->data, "/xdg/decloud");
    EXPECT_EQ(locate_home("", xdg)->config, "/home/me/.config/decloud");
}

TEST(Home, WithoutAnyFolderSaysHowToGiveOne) {
    const auto home = locate_home("", variables({}));
    ASSERT_FALSE(home);
    EXPECT_THAT(home.error().detail(), testing::HasSubstr("--home"));
}

TEST(Home, FoldersAreForTheirOwnerOnly) {
    const TemporaryFolder folder;
    const Home home = locate_home((folder.path() / "h").string(), variables({})).value();
    ASSERT_TRUE(open_home(home));
    EXPECT_EQ(fs::status(home.keys()).permissions(), fs::perms::owner_all);
    EXPECT_EQ(fs::status(home.data).permissions() & fs::perms::others_all, fs::perms::none);
}

TEST(Home, RefusesANewerFormatByName) {
    const TemporaryFolder folder;
    const Home home = locate_home(folder.path().string(), variables({})).value();
    ASSERT_TRUE(open_home(home));
    folder.write("data/format", "2\n");
    const auto opened = open_home(home);
    ASSERT_FALSE(opened);
    EXPECT_TRUE(opened.error() == make_error_code(StoreError::newer_format));
    EXPECT_THAT(opened.error().detail(), testing::HasSubstr("data/format"));
}

TEST(Home, MigratesAnOlderFormatAfterACopy) {
    const TemporaryFolder folder;
    const Home home = locate_home(folder.path().string(), variables({})).value();
    ASSERT_TRUE(open_home(home));
    folder.write("data/thing", "old");
    const std::array<HomeMigration, 1> migrations{
        {{.from = 1, .apply = [](const Home& migrated) -> Result<void> {
              fs::rename(migrated.data / "thing", migrated.data / "renamed");
              return {};
          }}}};
    ASSERT_TRUE(open_home(home, 2, migrations));
    EXPECT_TRUE(fs::exists(home.data / "renamed"));
    EXPECT_TRUE(fs::exists(folder.path() / "data.format-1" / "thing"));
    EXPECT_FALSE(open_home(home, 1, {}));
    EXPECT_TRUE(open_home(home, 2, migrations));
}

TEST(Home, RefusesAFormatFileThatIsNone) {
    const TemporaryFolder folder;
    const Home home = locate_home(folder.path().string(), variables({})).value();
    ASSERT_TRUE(open_home(home));
    folder.write("data/format", "one");
    EXPECT_TRUE(open_home(home).error() == make_error_code(CommonError::corrupt));
}

}  // namespace
}  // namespace decloud::client
