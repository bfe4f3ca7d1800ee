#include "answers.hpp"

#include <gtest/gtest.h>

namespace decloud::kubo::internal {
namespace {

TEST(KuboAnswers, TellsWhyACommandFailed) {
    const auto missing = read_message(
        R"({"Message":"block was not found locally (offline): ipld: could not find bafk","Code":0,"Type":"error"})"
        "\n");
    ASSERT_TRUE(missing) << missing.error().message();
    EXPECT_TRUE(says_missing(*missing));
    EXPECT_FALSE(says_not_pinned(*missing));
    const auto unpinned =
        read_message(R"({"Message":"not pinned or pinned indirectly","Code":0,"Type":"error"})");
    ASSERT_TRUE(unpinned);
    EXPECT_TRUE(says_not_pinned(*unpinned));
    EXPECT_FALSE(read_message("404 page not found"));
    EXPECT_FALSE(read_message(R"({"Message":"text","Type":"answer"})"));
}

TEST(KuboAnswers, KeepsMessagesShortAndOnOneLine) {
    const auto message = read_message(
        R"({"Message":"a\nb)" + std::string(1000, 'x') + R"(","Code":0,"Type":"error"})");
    ASSERT_TRUE(message);
    EXPECT_EQ(message->substr(0, 4), "a bx");
    EXPECT_EQ(message->size(), 300U);
}

TEST(KuboAnswers, CountsImportedBlocks) {
    EXPECT_EQ(read_imported_blocks("{\"Root\":{}}\n"
                                   "{\"Stats\":{\"BlockCount\":7,\"BlockBytesCount\":70}}\n"),
        7U);
    EXPECT_FALSE(read_imported_blocks("{\"Root\":{}}\n"));
    EXPECT_FALSE(read_imported_blocks(""));
    EXPECT_FALSE(read_imported_blocks("{\"Stats\":{\"BlockCount\":-7}}"));
}

TEST(KuboAnswers, FindsStoresThatAreNotSynced) {
    const auto spec = [](std::string_view sync) {
        return R"({"Key":"Datastore.Spec","Value":{"mounts":[{"mountpoint":"/blocks","sync":)" +
               std::string(sync) + R"(,"type":"flatfs"},{"type":"levelds"}],"type":"mount"}})";
    };
    EXPECT_EQ(read_is_unsynced(spec("false")), true);
    EXPECT_EQ(read_is_unsynced(spec("true")), false);
    EXPECT_FALSE(read_is_unsynced("{}"));
}

}  // namespace
}  // namespace decloud::kubo::internal
