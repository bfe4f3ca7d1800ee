#include "file_stream.hpp"

#include "car_transfer.hpp"
#include "importer.hpp"
#include "internal/test_support.hpp"

#include <gtest/gtest.h>

namespace decloud::content {
namespace {

using internal::random_bytes;
using internal::raw_block;

/// The blocks of a CAR in its order.
std::vector<Block> blocks_of(BytesView car) {
    std::vector<Block> out;
    multiformats::CarReader reader(
        {}, [](const auto&) { return Result<void>{}; },
        [&](const Cid& cid, BytesView data) -> Result<void> {
            out.push_back({.cid = cid, .data = to_bytes(data)});
            return {};
        });
    EXPECT_TRUE(reader.write(car));
    EXPECT_TRUE(reader.finish());
    return out;
}

std::vector<Block> sent(const BlockStore& store, const Cid& root) {
    CarExport parts(store, {root}, Duplicates::sent);
    Bytes car;
    for (;;) {
        auto part = parts.next();
        EXPECT_TRUE(part);
        if (!part || !*part) {
            return blocks_of(car);
        }
        append(car, BytesView(**part));
    }
}

struct Streamed {
    Bytes bytes;
    Result<void> result;
};

Streamed stream(const Cid& root, std::span<const Block> blocks) {
    Streamed out;
    FileStream file(root, [&out](BytesView bytes) -> Result<void> {
        append(out.bytes, bytes);
        return {};
    });
    for (const Block& block : blocks) {
        out.result = file.write(block.cid, block.data);
        if (!out.result) {
            return out;
        }
    }
    out.result = file.finish();
    return out;
}

class FileStreamTest : public testing::TestWithParam<bool> {
  protected:
    [[nodiscard]] ImportOptions options() const {
        ImportOptions options{
            .profile = GetParam() ? UnixFsProfile::v1_2025() : UnixFsProfile::v0_2015()};
        options.profile.chunk_size = 100;
        options.profile.max_links = 4;
        return options;
    }

    std::unique_ptr<BlockStore> store_ = make_memory_block_store();
    std::mt19937_64 random_{3};
};

TEST_P(FileStreamTest, IsTheFileWhateverItsSize) {
    for (const std::size_t size : {0U, 1U, 99U, 100U, 101U, 400U, 401U, 5000U, 12'345U}) {
        const Bytes bytes = random_bytes(random_, size);
        const auto entry = import_bytes(*store_, bytes, options());
        ASSERT_TRUE(entry);
        const Streamed streamed = stream(entry->cid, sent(*store_, entry->cid));
        EXPECT_TRUE(streamed.result) << size;
        EXPECT_EQ(streamed.bytes, bytes) << size;
    }
}

TEST_P(FileStreamTest, KeepsPiecesThatAreRepeated) {
    const Bytes bytes(5000);
    const auto entry = import_bytes(*store_, bytes, options());
    const Streamed streamed = stream(entry->cid, sent(*store_, entry->cid));
    EXPECT_TRUE(streamed.result);
    EXPECT_EQ(streamed.bytes, bytes);
}

TEST_P(FileStreamTest, RefusesWhatIsMissingOrOutOfOrder) {
    const auto entry = import_bytes(*store_, random_bytes(random_, 1000), options());
    const std::vector<Block> blocks = sent(*store_, entry->cid);
    ASSERT_GT(blocks.size(), 4);
    const Streamed cut = stream(entry->cid, std::span(blocks).first(blocks.size() - 1));
    ASSERT_FALSE(cut.result);
    EXPECT_EQ(cut.result.error().code(), CommonError::not_found);

    std::vector<Block> swapped = blocks;
    std::swap(swapped[2], swapped[3]);
    const Streamed wrong = stream(entry->cid, swapped);
    ASSERT_FALSE(wrong.result);
    EXPECT_EQ(wrong.result.error().code(), CommonError::invalid_input);

    std::vector<Block> more = blocks;
    more.push_back(raw_block("more"));
    EXPECT_FALSE(stream(entry->cid, more).result);
}

TEST_P(FileStreamTest, RefusesAFolder) {
    multiformats::DirectoryBuilder builder(options().profile,
        [this](const Cid& cid, BytesView data) { return store_->put(cid, data); });
    const auto entry = builder.finish();
    ASSERT_TRUE(entry);
    const Streamed streamed = stream(entry->cid, sent(*store_, entry->cid));
    ASSERT_FALSE(streamed.result);
    EXPECT_EQ(streamed.result.error().code(), CommonError::invalid_input);
}

INSTANTIATE_TEST_SUITE_P(Profiles, FileStreamTest, testing::Bool());

}  // namespace
}  // namespace decloud::content
