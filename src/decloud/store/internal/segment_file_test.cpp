#include "segment_file.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace decloud::store::internal {
namespace {

constexpr std::size_t kBlock = BlockBuffer::kBlock;

class SegmentFileTest : public ::testing::Test {
  protected:
    [[nodiscard]] File make(std::uint64_t bytes) const {
        auto file = File::open(path(), O_RDWR | O_CREAT | O_TRUNC);
        EXPECT_TRUE(file && fill_with_zeros(*file, as_bytes("header"), bytes));
        return std::move(*file);
    }
    [[nodiscard]] std::string content() const {
        std::ifstream file(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    [[nodiscard]] std::filesystem::path path() const { return folder_.path() / "segment"; }

  private:
    TemporaryFolder folder_;
};

/// What a segment of `bytes` bytes holds after batches of many sizes, some of them written twice.
template <class Content>
void expect_batches_in_order(SegmentFile segment, std::string expected, Content content) {
    std::size_t at = 64;
    for (std::size_t i = 0; i < 60; ++i) {
        const std::string batch(
            i * 37 % 977 + (i % 7 == 0 ? 2 * kBlock : 1), static_cast<char>('a' + i % 26));
        ASSERT_TRUE(segment.write(as_bytes(batch)));
        if (i % 3 == 0) {
            // A write that failed half-way is repeated.
            ASSERT_TRUE(segment.write(as_bytes(batch)));
        }
        ASSERT_TRUE(segment.sync());
        segment.advance(batch.size());
        expected.replace(at, batch.size(), batch);
        at += batch.size();
        ASSERT_EQ(content(), expected);
    }
}

std::string empty_segment(std::size_t bytes) {
    std::string text(bytes, '\0');
    return text.replace(0, 6, "header");
}

TEST_F(SegmentFileTest, KeepsWhatWasWrittenInOrder) {
    const std::size_t bytes = 64 * kBlock;
    SegmentFile segment(make(bytes), bytes, 64);
    expect_batches_in_order(std::move(segment), empty_segment(bytes), [this] { return content(); });
}

TEST_F(SegmentFileTest, UsesThePageCacheWhereBlocksAreNotWhole) {
    const std::size_t bytes = 64 * kBlock + 100;
    SegmentFile segment(make(bytes), bytes, 64);
    EXPECT_FALSE(segment.is_direct());
    expect_batches_in_order(std::move(segment), empty_segment(bytes), [this] { return content(); });
}

TEST_F(SegmentFileTest, GoesOnBehindAWholeBlock) {
    SegmentFile segment(make(16 * kBlock), 16 * kBlock, 64);
    std::string expected(64, '\0');
    for (const std::size_t size : {kBlock - 64, kBlock, 3 * kBlock, std::size_t{5}}) {
        const std::string batch(size, 'x');
        ASSERT_TRUE(segment.write(as_bytes(batch)));
        ASSERT_TRUE(segment.sync());
        segment.advance(size);
        expected += batch;
    }
    EXPECT_EQ(content().substr(64, expected.size() - 64), expected.substr(64));
    EXPECT_EQ(content().size(), 16 * kBlock);
}

TEST_F(SegmentFileTest, GoesOnInTheMiddleOfABlock) {
    const std::size_t bytes = 4 * kBlock;
    {
        SegmentFile segment(make(bytes), bytes, 64);
        ASSERT_TRUE(segment.write(as_bytes(std::string(kBlock, 'x'))));
        segment.advance(kBlock);
    }
    auto file = File::open(path(), O_RDWR);
    ASSERT_TRUE(file);
    SegmentFile segment(std::move(*file), bytes, kBlock + 64);
    ASSERT_TRUE(segment.write(as_bytes("rest")));
    auto expected = empty_segment(bytes);
    expected.replace(64, kBlock, std::string(kBlock, 'x')).replace(kBlock + 64, 4, "rest");
    EXPECT_EQ(content(), expected);
}

}  // namespace
}  // namespace decloud::store::internal
