#include "car_stream.hpp"

#include <decloud/content/importer.hpp>
#include <decloud/multiformats/unixfs.hpp>

#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

using content::Cid;
using multiformats::UnixFsData;
using multiformats::UnixFsType;

constexpr int kLevels = 60;

class CarStreamTest : public ::testing::Test {
  protected:
    /// A node of a file with these parts.
    Cid put_file(std::vector<std::pair<Cid, std::uint64_t>> parts) {
        UnixFsData info;
        info.type = UnixFsType::file;
        info.file_size = 0;
        std::vector<multiformats::PbLink> links;
        for (const auto& [cid, size] : parts) {
            links.push_back({.cid = cid, .name = "", .tsize = 1});
            info.block_sizes.push_back(size);
            *info.file_size += size;
        }
        const Bytes block = multiformats::encode_pb(
            {.links = std::move(links), .data = multiformats::encode_unixfs(info)});
        Cid cid = Cid::of(multiformats::Codec::dag_pb, block);
        EXPECT_TRUE(store_->put(cid, block));
        return cid;
    }
    /// 2^60 bytes of 61 blocks.
    Cid put_doubled() {
        Cid cid = byte_;
        for (int level = 0; level < kLevels; ++level) {
            const std::uint64_t size = std::uint64_t{1} << static_cast<unsigned>(level);
            cid = put_file({{cid, size}, {cid, size}});
        }
        return cid;
    }
    /// How many blocks are sent.
    Result<std::size_t> blocks(const Cid& cid, std::optional<EntityBytes> bytes) {
        CarStream stream(*store_, {.cid = cid, .roots = {cid}, .passed = {}, .remainder = {}},
            {.scope = DagScope::entity, .bytes = bytes});
        for (std::size_t count = 0;; ++count) {
            TRY(const Bytes piece, stream.next());
            if (piece.empty()) {
                // One was the header.
                return count - 1;
            }
        }
    }

    std::unique_ptr<content::BlockStore> store_ = content::make_memory_block_store();
    Cid byte_ = content::import_bytes(*store_, as_bytes("x")).value().cid;
};

TEST_F(CarStreamTest, FollowsWhatOccursOftenOnce) {
    EXPECT_EQ(blocks(put_doubled(), std::nullopt).value_or(0), kLevels + 1U);
}

TEST_F(CarStreamTest, FollowsWhatOccursOftenInARangeOnce) {
    const Cid file = put_doubled();
    EXPECT_EQ(blocks(file, EntityBytes{.from = 1, .to = -2}).value_or(0), kLevels + 1U);
    EXPECT_EQ(blocks(file, EntityBytes{.from = 5, .to = 5}).value_or(0), kLevels + 1U);
}

TEST_F(CarStreamTest, SendsWhatARangeNeedsOfARepeatedPart) {
    const Cid other = content::import_bytes(*store_, as_bytes("y")).value().cid;
    const Cid part = put_file({{byte_, 1}, {other, 1}});
    // The first time only "y" is wanted, the second time all of it.
    const Cid file = put_file({{part, 2}, {part, 2}});
    EXPECT_EQ(blocks(file, EntityBytes{.from = 1, .to = 1}).value_or(0), 3U);
    EXPECT_EQ(blocks(file, EntityBytes{.from = 1, .to = 3}).value_or(0), 4U);
    EXPECT_EQ(blocks(file, EntityBytes{.from = 1, .to = 2}).value_or(0), 4U);
}

TEST_F(CarStreamTest, IsNotMisledBySizesThatAreLies) {
    constexpr std::uint64_t kHuge = std::uint64_t{1} << 63U;
    Cid empty = byte_;
    Cid round = byte_;
    for (int level = 0; level < kLevels; ++level) {
        // Parts that say to be empty and are not.
        empty = put_file({{byte_, 1}, {empty, 0}, {empty, 0}, {byte_, 1000}});
        // Parts that go round to where the file begins.
        round = put_file({{round, kHuge}, {round, kHuge - 1}});
    }
    EXPECT_EQ(blocks(empty, EntityBytes{.from = 0, .to = 900}).value_or(0), kLevels + 1U);
    const auto sent = blocks(round, EntityBytes{.from = 5, .to = -6});
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code(), CommonError::invalid_input);
}

}  // namespace

}  // namespace decloud::ipfs
