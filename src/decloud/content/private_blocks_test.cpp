#include "private_blocks.hpp"

#include "disk_store.hpp"
#include "internal/test_support.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace decloud::content {

namespace {

using internal::raw_block;

constexpr UnixSeconds kNow{1'700'000'000};

TEST(PrivateBlocks, KnowsABlockUnderEverySpellingAndAfterARestart) {
    const TemporaryFolder folder;
    const auto store = make_memory_block_store();
    const Block block = raw_block("a program");
    const Cid other_codec = Cid::v1(multiformats::Codec::dag_pb, block.cid.hash());
    {
        const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
        ASSERT_TRUE(blocks->add({block.cid}, *store, kNow));
        EXPECT_TRUE(blocks->contains(other_codec).value());
    }
    const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
    EXPECT_TRUE(blocks->contains(block.cid).value());
    EXPECT_FALSE(blocks->contains(raw_block("something else").cid).value());
}

TEST(PrivateBlocks, CannotHideWhatIsHereAndPublic) {
    const TemporaryFolder folder;
    const auto store = make_memory_block_store();
    const Block block = raw_block("everybody's");
    ASSERT_TRUE(store->put(block.cid, block.data));
    const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
    ASSERT_TRUE(blocks->add({block.cid}, *store, kNow));
    EXPECT_FALSE(blocks->contains(block.cid).value());
}

TEST(PrivateBlocks, ArePublicOnceBroughtAsSuch) {
    const TemporaryFolder folder;
    const auto store = make_memory_block_store();
    const Block block = raw_block("first private");
    const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
    ASSERT_TRUE(blocks->add({block.cid}, *store, kNow));
    ASSERT_TRUE(blocks->publish({block.cid}));
    EXPECT_FALSE(blocks->contains(block.cid).value());
}

TEST(PrivateBlocks, OnceHideWhatCameBeforeThem) {
    const TemporaryFolder folder;
    const auto store = open_disk_store(folder.path() / "blocks").value();
    const Block older = raw_block("older");
    ASSERT_TRUE(store->put(older.cid, older.data));
    {
        const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
        ASSERT_TRUE(blocks->hide_older(*store, kNow));
        EXPECT_TRUE(blocks->contains(older.cid).value());
        ASSERT_TRUE(blocks->publish({older.cid}));
    }
    const Block newer = raw_block("newer");
    ASSERT_TRUE(store->put(newer.cid, newer.data));
    const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
    ASSERT_TRUE(blocks->hide_older(*store, kNow));
    EXPECT_FALSE(blocks->contains(older.cid).value());
    EXPECT_FALSE(blocks->contains(newer.cid).value());
}

TEST(PrivateBlocks, ForgetsWhatIsNoLongerHeldInSteps) {
    const TemporaryFolder folder;
    const auto store = make_memory_block_store();
    const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
    const Block kept = raw_block("kept");
    ASSERT_TRUE(blocks->add({kept.cid, raw_block("gone").cid, raw_block("too").cid}, *store, kNow));
    ASSERT_TRUE(store->put(kept.cid, kept.data));
    std::uint64_t forgotten = 0;
    for (int i = 0; i < 4; ++i) {
        forgotten += blocks->sweep(*store, UnixSeconds{kNow.value + 1}, 1).value();
    }
    EXPECT_EQ(forgotten, 2U);
    EXPECT_TRUE(blocks->contains(kept.cid).value());
}

/// A store that a block comes to while it is asked for.
class StoreInUse final : public BlockStore {
  public:
    explicit StoreInUse(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
    Result<void> put_all(std::span<const Block> blocks) override { return store_->put_all(blocks); }
    Result<std::optional<Bytes>> get(const Cid& cid) const override { return store_->get(cid); }
    Result<bool> has(const Cid& cid) const override {
        auto held = store_->has(cid);
        meanwhile_();
        return held;
    }
    Result<void> remove(const Cid& cid) override { return store_->remove(cid); }
    Result<void> refresh(std::span<const Cid> cids) override { return store_->refresh(cids); }
    std::uint64_t bytes_used() const override { return store_->bytes_used(); }
    Result<std::unique_ptr<StagedBlocks>> stage() override { return store_->stage(); }

  private:
    std::unique_ptr<BlockStore> store_ = make_memory_block_store();
    std::function<void()> meanwhile_;
};

TEST(PrivateBlocks, KeepWhatComesAgainWhileTheySweep) {
    const TemporaryFolder folder;
    const auto blocks = open_private_blocks(folder.path() / "private.sqlite").value();
    const Block block = raw_block("comes again");
    const auto nothing = make_memory_block_store();
    ASSERT_TRUE(blocks->add({block.cid}, *nothing, kNow));
    const UnixSeconds later{kNow.value + 100};
    const StoreInUse store([&] { ASSERT_TRUE(blocks->add({block.cid}, *nothing, later)); });
    ASSERT_TRUE(blocks->sweep(store, later, 10));
    EXPECT_TRUE(blocks->contains(block.cid).value());
}

}  // namespace

}  // namespace decloud::content
