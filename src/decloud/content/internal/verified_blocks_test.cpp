#include "verified_blocks.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

namespace decloud::content::internal {
namespace {

using namespace std::chrono_literals;

constexpr VerifiedBlocks::TimePoint kNow{};
constexpr Location kPlace{.segment = 1, .offset = 100, .size = 50};

TEST(VerifiedBlocks, KnowsWhatWasNotedInTheSameGeneration) {
    VerifiedBlocks blocks;
    EXPECT_FALSE(blocks.contains(kPlace, 1, kNow));
    blocks.note(kPlace, 1, kNow);
    EXPECT_TRUE(blocks.contains(kPlace, 1, kNow));
    EXPECT_FALSE(blocks.contains(kPlace, 2, kNow));
    EXPECT_FALSE(blocks.contains({.segment = 2, .offset = 100, .size = 50}, 1, kNow));
    EXPECT_FALSE(blocks.contains({.segment = 1, .offset = 100, .size = 51}, 1, kNow));
}

TEST(VerifiedBlocks, ForgetsWithTime) {
    VerifiedBlocks blocks;
    blocks.note(kPlace, 1, kNow);
    EXPECT_TRUE(blocks.contains(kPlace, 1, kNow + VerifiedBlocks::kAge));
    EXPECT_FALSE(blocks.contains(kPlace, 1, kNow + VerifiedBlocks::kAge + 1s));
}

TEST(VerifiedBlocks, NeverTakesOneForAnother) {
    VerifiedBlocks blocks;
    for (std::uint64_t offset = 0; offset < 100'000; offset += 2) {
        blocks.note({.segment = 1, .offset = offset, .size = 1}, 1, kNow);
    }
    std::size_t known = 0;
    for (std::uint64_t offset = 0; offset < 100'000; ++offset) {
        const bool found = blocks.contains({.segment = 1, .offset = offset, .size = 1}, 1, kNow);
        EXPECT_FALSE(found && offset % 2 == 1) << offset;
        known += found ? 1 : 0;
    }
    EXPECT_GT(known, 1000U);
}

/// Once enough time has passed since the last write.
std::uint64_t settled(const SegmentFile& file) {
    std::optional<std::uint64_t> generation;
    while (!(generation = file.generation())) {
        std::this_thread::yield();
    }
    return *generation;
}

TEST(SegmentFileGeneration, ChangesWithTheWritesOfOthersOnly) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "segment";
    const auto file = SegmentFile::create(path, Durability::unsynced).value();
    const std::uint64_t first = settled(*file);
    ASSERT_TRUE(file->append(Bytes(100, 1)));
    EXPECT_EQ(settled(*file), first);

    const Descriptor other = Descriptor::open(path, O_RDWR).value();
    ASSERT_TRUE(other.write_at(Bytes(1, 9), file->size() - 1));
    const std::uint64_t second = settled(*file);
    EXPECT_NE(second, first);
    EXPECT_EQ(settled(*file), second);
}

TEST(SegmentFileGeneration, ChangesWhenSomebodyWroteBetweenTwoAppends) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "segment";
    const auto file = SegmentFile::create(path, Durability::unsynced).value();
    ASSERT_TRUE(file->append(Bytes(100, 1)));
    const std::uint64_t first = settled(*file);
    const Descriptor other = Descriptor::open(path, O_RDWR).value();
    ASSERT_TRUE(other.write_at(Bytes(1, 9), file->size() - 1));
    ASSERT_TRUE(file->append(Bytes(100, 2)));
    EXPECT_NE(settled(*file), first);
}

TEST(SegmentFileGeneration, IsNotTrustedRightAfterAWrite) {
    const TemporaryFolder folder;
    const auto file = SegmentFile::create(folder.path() / "segment", Durability::unsynced).value();
    std::optional<std::uint64_t> generation = 0;
    // A pause of the machine may be longer than the time that is waited for.
    for (int attempt = 0; generation && attempt < 100; ++attempt) {
        ASSERT_TRUE(file->append(Bytes(1, 1)));
        generation = file->generation();
    }
    EXPECT_EQ(generation, std::nullopt);
}

}  // namespace
}  // namespace decloud::content::internal
