#include "toml_section.hpp"

#include <gtest/gtest.h>

namespace decloud::client::internal {
namespace {

constexpr std::string_view kSource =
    "account = 'a'\n\n[chain]\nid = 1\n\n[provider]\nprice = '1'\n";

TEST(TomlSection, ReplacesOnlyItsTable) {
    EXPECT_EQ(replace_section("# mine\naccount = \"owner\"\n[provider] # old\nname = 'x'\n"
                              "[chain]\nid = 2 # kept\n",
                  "provider", kSource),
        "# mine\naccount = \"owner\"\n[provider]\nprice = '1'\n\n[chain]\nid = 2 # kept\n");
}

TEST(TomlSection, ReplacesTheLastTable) {
    EXPECT_EQ(replace_section("[chain]\nid = 2\n\n[provider]\nname = 'x'\n", "provider", kSource),
        "[chain]\nid = 2\n\n[provider]\nprice = '1'\n");
}

TEST(TomlSection, AppendsATableThatIsNotThere) {
    EXPECT_EQ(replace_section("account = 'b'", "provider", kSource),
        "account = 'b'\n\n[provider]\nprice = '1'\n");
    EXPECT_EQ(replace_section("", "provider", kSource), "[provider]\nprice = '1'\n");
}

}  // namespace
}  // namespace decloud::client::internal
