#include "car_transfer.hpp"

#include "disk_store.hpp"
#include "importer.hpp"
#include "internal/test_support.hpp"
#include "reader.hpp"

#include <decloud/base/units.hpp>
#include <decloud/multiformats/dag_pb.hpp>

#include <gtest/gtest.h>

namespace decloud::content {
namespace {

using internal::random_bytes;
using internal::raw_block;

Block node_with(std::vector<Cid> links) {
    multiformats::PbNode node;
    for (Cid& link : links) {
        node.links.push_back({.cid = std::move(link), .name = "", .tsize = 0});
    }
    const Bytes bytes = multiformats::encode_pb(node);
    return {.cid = Cid::of(multiformats::Codec::dag_pb, bytes), .data = bytes};
}

Bytes car_of(const std::vector<Cid>& roots, const std::vector<Block>& blocks) {
    Bytes car = multiformats::encode_car_header(roots);
    for (const Block& block : blocks) {
        multiformats::append_car_section(car, block.cid, block.data);
    }
    return car;
}

/// A file of some blocks and its CAR.
struct Sample {
    Cid root;
    Bytes content;
    Bytes car;
};

Sample make_sample(std::size_t size) {
    const auto store = make_memory_block_store();
    std::mt19937_64 random(size);
    ImportOptions options;
    options.profile.chunk_size = 50;
    options.profile.max_links = 3;
    Bytes content = random_bytes(random, size);
    Cid root = import_bytes(*store, content, options)->cid;
    Bytes car = *car_export(*store, {root}, kGiB);
    return {.root = std::move(root), .content = std::move(content), .car = std::move(car)};
}

class CarTransferTest : public testing::Test {
  protected:
    void expect_refused(
        BytesView car, CommonError code, std::string_view text = {}, const CarLimits& limits = {}) {
        const auto imported = car_import(*store_, car, limits);
        ASSERT_FALSE(imported);
        EXPECT_EQ(imported.error().code(), code) << imported.error().message();
        EXPECT_NE(imported.error().message().find(text), std::string::npos)
            << imported.error().message();
        EXPECT_EQ(store_->bytes_used(), 0U);
    }

    TemporaryFolder home_;
    std::unique_ptr<DiskBlockStore> store_ =
        *open_disk_store(home_.path() / "blocks", {.staging_memory = 500});
};

TEST_F(CarTransferTest, CarriesATreeFromStoreToStore) {
    const Sample sample = make_sample(2000);
    const auto import = *CarImport::begin(*store_);
    for (BytesView rest = sample.car; !rest.empty();) {
        const BytesView piece = rest.first(std::min<std::size_t>(rest.size(), 77));
        ASSERT_TRUE(import->write(piece));
        EXPECT_EQ(store_->has(sample.root), false);
        rest = rest.subspan(piece.size());
    }
    const auto imported = import->finish();
    ASSERT_TRUE(imported) << imported.error().message();
    EXPECT_EQ(imported->roots, std::vector{sample.root});
    EXPECT_EQ(imported->bytes, store_->bytes_used());
    EXPECT_EQ(*read_file(*store_, sample.root, kMiB), sample.content);
    EXPECT_EQ(*car_export(*store_, {sample.root}, kMiB), sample.car);
    // Importing it again changes nothing.
    ASSERT_TRUE(car_import(*store_, sample.car));
    EXPECT_EQ(imported->bytes, store_->bytes_used());
}

TEST_F(CarTransferTest, RefusesAnySingleBitFlip) {
    const Sample sample = make_sample(200);
    const auto store = make_memory_block_store();
    for (std::size_t bit = 0; bit < sample.car.size() * 8; ++bit) {
        Bytes flipped = sample.car;
        flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        EXPECT_FALSE(car_import(*store, flipped)) << bit;
        EXPECT_EQ(store->bytes_used(), 0U) << bit;
    }
}

TEST_F(CarTransferTest, VerifiesOnThreadsWhatOneWouldVerify) {
    const auto source = make_memory_block_store();
    std::mt19937_64 random(9);
    const Bytes content = random_bytes(random, 3'000'000);
    ImportOptions options;
    options.profile.chunk_size = 100'000;
    const Cid root = import_bytes(*source, content, options)->cid;
    Bytes car = *car_export(*source, {root}, kGiB);
    for (const std::size_t position : {std::size_t{200'000}, car.size() / 2, car.size() - 1}) {
        car[position] ^= 1;
        expect_refused(car, CommonError::corrupt, "", {.hashing_threads = 2});
        car[position] ^= 1;
    }
    const auto imported = car_import(*store_, car, {.hashing_threads = 2});
    ASSERT_TRUE(imported) << imported.error().message();
    EXPECT_EQ(imported->bytes, source->bytes_used());
    EXPECT_EQ(*read_file(*store_, root, 64 * kMiB), content);
}

TEST_F(CarTransferTest, RefusesAFileThatIsCutShort) {
    const Sample sample = make_sample(400);
    for (std::size_t size = 0; size < sample.car.size(); size += 13) {
        EXPECT_FALSE(car_import(*store_, BytesView(sample.car).first(size))) << size;
    }
    EXPECT_EQ(store_->bytes_used(), 0U);
}

TEST_F(CarTransferTest, NamesWhatIsMissing) {
    const Block leaf = raw_block("leaf");
    const Block root = node_with({leaf.cid});
    expect_refused(car_of({root.cid}, {root}), CommonError::not_found, leaf.cid.to_string());
    expect_refused(car_of({root.cid}, {leaf}), CommonError::not_found, root.cid.to_string());
    expect_refused(car_of({}, {leaf}), CommonError::invalid_input, "no root");
}

TEST_F(CarTransferTest, DoesNotFillInWhatTheStoreHolds) {
    const Block leaf = raw_block("private");
    const Block root = node_with({leaf.cid});
    ASSERT_TRUE(store_->put(leaf.cid, leaf.data));
    EXPECT_EQ(
        car_import(*store_, car_of({root.cid}, {root})).error().code(), CommonError::not_found);
    EXPECT_TRUE(car_import(*store_, car_of({root.cid}, {root}), {.allow_held = true}));
}

TEST_F(CarTransferTest, RefusesBlocksThatNoRootLeadsTo) {
    const Block root = raw_block("root");
    const Block stray = raw_block("stray");
    expect_refused(
        car_of({root.cid}, {root, stray}), CommonError::invalid_input, stray.cid.to_string());
    EXPECT_TRUE(
        car_import(*store_, car_of({root.cid}, {root, stray}), {.allow_unreachable = true}));
    EXPECT_EQ(store_->has(stray.cid), true);
}

TEST_F(CarTransferTest, RefusesTreesThatAreTooDeep) {
    const auto chain = [](std::size_t links) {
        std::vector<Block> blocks{raw_block("end")};
        while (blocks.size() <= links) {
            blocks.push_back(node_with({blocks.back().cid}));
        }
        const Cid root = blocks.back().cid;
        return car_of({root}, blocks);
    };
    expect_refused(chain(65), CommonError::limit_exceeded, "64 links");
    EXPECT_TRUE(car_import(*store_, chain(64)));
}

TEST_F(CarTransferTest, MeasuresDepthThroughSharedParts) {
    // The shared part is first met at depth 1, later at depth 3.
    const Block leaf = raw_block("leaf");
    const Block shared = node_with({leaf.cid});
    const Block lower = node_with({shared.cid});
    const Block upper = node_with({lower.cid});
    const Block root = node_with({shared.cid, upper.cid});
    const Bytes car = car_of({root.cid}, {root, shared, upper, lower, leaf});
    expect_refused(car, CommonError::limit_exceeded, "", {.max_depth = 3});
    EXPECT_TRUE(car_import(*store_, car, {.max_depth = 4}));
}

TEST_F(CarTransferTest, WalksWidelySharedTreesOnce) {
    std::vector<Block> blocks{raw_block("end")};
    for (int level = 0; level < 60; ++level) {
        const Cid below = blocks.back().cid;
        blocks.push_back(node_with({below, below, below}));
    }
    EXPECT_TRUE(car_import(*store_, car_of({blocks.back().cid}, blocks)));
}

TEST_F(CarTransferTest, KeepsToItsLimits) {
    const Sample sample = make_sample(1000);
    expect_refused(
        sample.car, CommonError::limit_exceeded, "", {.max_total_bytes = sample.car.size() - 1});
    expect_refused(sample.car, CommonError::limit_exceeded, "", {.max_block = 49});
    expect_refused(sample.car, CommonError::limit_exceeded, "", {.max_blocks = 5});
    const Block root = raw_block("r");
    expect_refused(
        car_of({root.cid, root.cid}, {root}), CommonError::limit_exceeded, "", {.max_roots = 1});
}

TEST_F(CarTransferTest, RefusesCodecsWhoseLinksAreNotKnown) {
    const Bytes data = to_bytes("\xa0");
    const Cid cid = Cid::of(multiformats::Codec{0x78}, data);
    expect_refused(car_of({cid}, {{cid, data}}), CommonError::invalid_input, "0x78");
}

TEST_F(CarTransferTest, NeedsNoSectionForInlineBlocks) {
    const Cid inline_cid = Cid::v1(multiformats::Codec::raw,
        *multiformats::Multihash::make(multiformats::HashCode::identity, as_bytes("in")));
    const Block root = node_with({inline_cid});
    const Bytes car = car_of({root.cid}, {root});
    ASSERT_TRUE(car_import(*store_, car));
    EXPECT_EQ(*car_export(*store_, {root.cid}, kMiB), car);
}

TEST_F(CarTransferTest, ExportsDepthFirstAndNothingTwice) {
    const Block a = raw_block("a");
    const Block b = raw_block("b");
    const Block left = node_with({a.cid, b.cid});
    const Block root = node_with({left.cid, b.cid, a.cid});
    ASSERT_TRUE(store_->put_all(std::vector<Block>{a, b, left, root}));
    EXPECT_EQ(*car_export(*store_, {root.cid}, kMiB), car_of({root.cid}, {root, left, a, b}));
    EXPECT_EQ(car_export(*store_, {root.cid}, 100).error().code(), CommonError::limit_exceeded);
    ASSERT_TRUE(store_->remove(b.cid));
    const auto incomplete = car_export(*store_, {root.cid}, kMiB);
    ASSERT_FALSE(incomplete);
    EXPECT_EQ(incomplete.error().code(), CommonError::not_found);
    EXPECT_NE(incomplete.error().message().find(b.cid.to_string()), std::string::npos);
}

}  // namespace
}  // namespace decloud::content
