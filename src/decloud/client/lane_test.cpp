#include "lane.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/store/atomic_file.hpp>
#include <decloud/store/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::client {
namespace {

using ::testing::HasSubstr;

const Address kPayer{{1}};
const Address kProvider{{2}};

TEST(Lane, KeepsWhatItIsToldForTheNextProcess) {
    const TemporaryFolder folder;
    LaneState state;
    {
        auto lane = Lane::take(folder.path(), kPayer, kProvider);
        ASSERT_TRUE(lane) << lane.error().message();
        EXPECT_FALSE(lane->state().open);
        EXPECT_FALSE(lane->state().salt.is_zero());
        lane->state().open = true;
        lane->state().reserved = Amount(~Uint128{0});
        lane->state().signed_for = Amount(7);
        lane->state().next_sequence = ~std::uint64_t{0};
        lane->state().key.fill(9);
        lane->state().valid_before = {1'790'000'000};
        ASSERT_TRUE(lane->save());
        state = lane->state();
    }
    const auto again = Lane::take(folder.path(), kPayer, kProvider);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->state(), state);
}

TEST(Lane, IsOneProcesssAtATime) {
    const TemporaryFolder folder;
    auto first = Lane::take(folder.path(), kPayer, kProvider);
    ASSERT_TRUE(first);
    ASSERT_TRUE(first->save());
    const auto second = Lane::take(folder.path(), kPayer, kProvider);
    ASSERT_TRUE(second);
    EXPECT_NE(second->state().salt, first->state().salt);
    const auto other = Lane::take(folder.path(), kPayer, kPayer);
    ASSERT_TRUE(other);
    EXPECT_NE(other->state().salt, first->state().salt);
}

TEST(Lane, NamesAFileThatIsDamaged) {
    const TemporaryFolder folder;
    ASSERT_TRUE(Lane::take(folder.path(), kPayer, kProvider)->save());
    const auto file =
        folder.path() / (to_string(kPayer) + "-" + to_string(kProvider)) / "1" / "lane.json";
    for (const char* text : {"", "{}", "[]", "{\"channel\": 1}", "{\"channel\":\"0x12\"}"}) {
        ASSERT_TRUE(store::write_file_atomically(file, as_bytes(std::string_view(text))));
        const auto lane = Lane::take(folder.path(), kPayer, kProvider);
        ASSERT_FALSE(lane) << text;
        EXPECT_EQ(lane.error(), make_error_code(StoreError::damaged));
        EXPECT_THAT(lane.error().detail(), HasSubstr("lane.json"));
    }
}

}  // namespace
}  // namespace decloud::client
