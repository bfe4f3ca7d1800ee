#include "tree_review.hpp"

#include "disk_store.hpp"
#include "importer.hpp"
#include "internal/test_support.hpp"
#include "pins.hpp"

#include <gtest/gtest.h>

namespace decloud::content {
namespace {

Result<void> review(TreeReview& review) {
    for (;;) {
        TRY(const bool more, review.step());
        if (!more) {
            return {};
        }
    }
}

TEST(TreeReview, CountsEveryBlockOfATreeOnce) {
    const auto store = make_memory_block_store();
    const Bytes file(std::size_t{3} << 20U, 7);
    const Cid root = import_bytes(*store, file)->cid;
    TreeReview tree(*store, root);
    ASSERT_TRUE(review(tree));
    // Three equal leaves are one block.
    EXPECT_EQ(tree.blocks(), 2U);
    EXPECT_EQ(tree.bytes(), store->bytes_used());
}

TEST(TreeReview, NamesWhatIsMissing) {
    const auto store = make_memory_block_store();
    Bytes file(std::size_t{2} << 20U, 7);
    file[0] = 1;
    const Cid root = import_bytes(*store, file)->cid;
    const Bytes leaf(std::size_t{1} << 20U, 7);
    const Cid missing = Cid::of(multiformats::Codec::raw, leaf);
    ASSERT_TRUE(store->remove(missing));
    TreeReview tree(*store, root);
    const auto done = review(tree);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), make_error_code(CommonError::not_found));
    EXPECT_NE(done.error().message().find(missing.to_string()), std::string::npos);
}

TEST(TreeReview, MakesATreeYoungAgain) {
    const TemporaryFolder home;
    ManualClock clock({1000});
    const auto store = *open_disk_store(home.path() / "blocks", {.clock = &clock});
    const auto pins = *open_pins(home.path() / "pins.sqlite");
    const Cid root = import_bytes(*store, Bytes(10, 1))->cid;
    const Cid other = import_bytes(*store, Bytes(10, 2))->cid;
    clock.set({9000});
    TreeReview tree(*store, root);
    ASSERT_TRUE(review(tree));
    ASSERT_TRUE(collect_garbage(*store, *pins, {.now = clock.unix_seconds()}));
    EXPECT_TRUE(*store->has(root));
    EXPECT_FALSE(*store->has(other));
}

}  // namespace
}  // namespace decloud::content
