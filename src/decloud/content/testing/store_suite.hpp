#pragma once

#include "../importer.hpp"
#include "../managed_block_store.hpp"
#include "../pins.hpp"
#include "../reader.hpp"
#include "../tree_review.hpp"

#include <decloud/base/clock.hpp>
#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/base/units.hpp>
#include <decloud/crypto/wide_hash.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

// What every engine of content has to do. A test program that includes this instantiates the suites
// with its engines.

namespace decloud::content::testing {

/// A store and its pins, opened in a folder; closed when it is destroyed.
class OpenStore {
  public:
    virtual ~OpenStore() = default;
    virtual ManagedBlockStore& blocks() = 0;
    virtual Pins& pins() = 0;
};

/// One engine; each folder is a store of its own.
struct StoreKind {
    std::string name;
    std::function<std::unique_ptr<OpenStore>(const std::filesystem::path&, const Clock&)> open;
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
inline void PrintTo(const StoreKind& kind, std::ostream* out) { *out << kind.name; }

inline std::string kind_name(const ::testing::TestParamInfo<StoreKind>& info) {
    return info.param.name;
}

inline Block block_of(BytesView data) {
    return {.cid = Cid::of(multiformats::Codec::raw, data), .data = to_bytes(data)};
}

inline Block block_of(std::string_view text) { return block_of(as_bytes(text)); }

inline Bytes chance_bytes(std::uint64_t seed, std::size_t size) {
    std::mt19937_64 random(seed);
    Bytes out(size);
    for (auto& byte : out) {
        byte = static_cast<std::uint8_t>(random());
    }
    return out;
}

class StoreSuite : public ::testing::TestWithParam<StoreKind> {
  protected:
    void SetUp() override { reopen(); }
    void reopen() {
        open_.reset();
        open_ = GetParam().open(folder_.path(), clock_);
        ASSERT_NE(open_, nullptr);
    }
    ManagedBlockStore& store() { return open_->blocks(); }
    Pins& pins() { return open_->pins(); }

    /// A tree of some forty blocks.
    Cid import(std::uint64_t seed) {
        ImportOptions options;
        options.profile.chunk_size = 100;
        options.profile.max_links = 4;
        const auto imported = import_bytes(store(), chance_bytes(seed, 3000), options);
        EXPECT_TRUE(imported) << imported.error().message();
        return imported->cid;
    }
    Result<GarbageResult> collect(std::uint64_t now) {
        return collect_garbage(
            store(), pins(), {.min_age = std::chrono::seconds(60), .now = {now}});
    }
    void pin(const Cid& root) {
        const auto pinned = pins().pin({.root = root, .owner = "alice", .reason = "user"});
        ASSERT_TRUE(pinned) << pinned.error().message();
    }

    TemporaryFolder folder_;
    ManualClock clock_{UnixSeconds{1000}};
    std::unique_ptr<OpenStore> open_;
};

TEST_P(StoreSuite, KeepsBlocksAcrossReopening) {
    const Block a = block_of("a");
    const Block empty = block_of("");
    ASSERT_TRUE(store().put(a.cid, a.data));
    ASSERT_TRUE(store().put(empty.cid, empty.data));
    EXPECT_EQ(store().bytes_used(), 1U);
    reopen();
    EXPECT_EQ(*store().get(a.cid), a.data);
    EXPECT_EQ(*store().get(empty.cid), Bytes{});
    EXPECT_EQ(store().bytes_used(), 1U);
    EXPECT_EQ(*store().get(block_of("b").cid), std::nullopt);
    EXPECT_EQ(store().has(a.cid), true);
    EXPECT_EQ(store().has(block_of("b").cid), false);
}

TEST_P(StoreSuite, RefusesWrongHashesAndLargeBlocks) {
    const Block good = block_of("good");
    const Block bad{.cid = block_of("x").cid, .data = to_bytes("y")};
    const auto status = store().put_all(std::vector<Block>{good, bad});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), CommonError::corrupt);
    EXPECT_NE(status.error().message().find(bad.cid.to_string()), std::string::npos);
    EXPECT_EQ(store().has(good.cid), false);
    const Block large = block_of(Bytes(kMaxBlock + 1));
    EXPECT_EQ(store().put(large.cid, large.data).error().code(), CommonError::limit_exceeded);
    const Block largest = block_of(Bytes(kMaxBlock));
    EXPECT_TRUE(store().put(largest.cid, largest.data));
    EXPECT_EQ(*store().get(largest.cid), largest.data);
}

TEST_P(StoreSuite, KeepsBlocksOfEveryHashAndCodecAsTheyAre) {
    // Not what the codecs say, which is no matter of a store's.
    const Bytes data = to_bytes("neither a node nor a document \r\n--\r\n");
    const std::array hashes{multiformats::Multihash::sha2_256(data),
        *multiformats::Multihash::make(multiformats::HashCode::sha2_512, crypto::sha512(data)),
        *multiformats::Multihash::make(
            multiformats::HashCode::blake2b_256, crypto::blake2b_256(data))};
    for (const auto& hash : hashes) {
        for (const auto codec : {multiformats::Codec::raw, multiformats::Codec::dag_pb,
                 multiformats::Codec::dag_cbor, multiformats::Codec::json}) {
            const Cid cid = Cid::v1(codec, hash);
            const auto put = store().put(cid, data);
            ASSERT_TRUE(put) << cid.to_string() << ": " << put.error().message();
            EXPECT_EQ(*store().get(cid), data);
        }
    }
}

TEST_P(StoreSuite, TakesTheSameContentOnce) {
    const Block block = block_of("same");
    ASSERT_TRUE(store().put_all(std::vector<Block>{block, block}));
    ASSERT_TRUE(store().put(Cid::v1(multiformats::Codec::dag_pb, block.cid.hash()), block.data));
    EXPECT_EQ(store().bytes_used(), 4U);
    EXPECT_EQ(*store().get(*Cid::v0(block.cid.hash())), block.data);
}

TEST_P(StoreSuite, AnswersIdentityCidsWithoutKeepingThem) {
    const Cid cid = Cid::v1(multiformats::Codec::raw,
        *multiformats::Multihash::make(multiformats::HashCode::identity, as_bytes("inline")));
    EXPECT_EQ(*store().get(cid), to_bytes("inline"));
    ASSERT_TRUE(store().put(cid, as_bytes("inline")));
    EXPECT_EQ(store().bytes_used(), 0U);
    EXPECT_EQ(store().has(cid), true);
}

TEST_P(StoreSuite, ShowsStagedBlocksOnlyOnceCommitted) {
    std::vector<Block> blocks;
    blocks.reserve(20);
    for (std::uint64_t i = 0; i < 20; ++i) {
        blocks.push_back(block_of(chance_bytes(i, 50)));
    }
    for (const bool commit : {false, true}) {
        const auto staged = store().stage();
        ASSERT_TRUE(staged);
        for (const Block& block : blocks) {
            ASSERT_TRUE((*staged)->put(block.cid, block.data));
            ASSERT_TRUE((*staged)->put(block.cid, block.data));
        }
        EXPECT_EQ((*staged)->bytes(), 1000U);
        for (const Block& block : blocks) {
            EXPECT_EQ(*(*staged)->get(block.cid), block.data);
            EXPECT_EQ(store().has(block.cid), false);
        }
        if (commit) {
            ASSERT_TRUE((*staged)->commit());
        }
    }
    for (const Block& block : blocks) {
        EXPECT_EQ(*store().get(block.cid), block.data);
    }
}

TEST_P(StoreSuite, ListsWhatItHoldsInTheOrderOfHashes) {
    std::vector<multiformats::Multihash> hashes;
    for (std::uint64_t i = 0; i < 30; ++i) {
        const Block block = block_of(chance_bytes(i, 10 + i));
        ASSERT_TRUE(store().put(block.cid, block.data));
        hashes.push_back(block.cid.hash());
    }
    std::ranges::sort(hashes, {}, &multiformats::Multihash::to_bytes);
    std::vector<multiformats::Multihash> listed;
    std::uint64_t bytes = 0;
    std::optional<multiformats::Multihash> after;
    for (;;) {
        const auto page = store().list(after, 7);
        ASSERT_TRUE(page);
        if (page->empty()) {
            break;
        }
        for (const ManagedBlockStore::Entry& entry : *page) {
            listed.push_back(entry.hash);
            bytes += entry.bytes;
            EXPECT_EQ(entry.added.value, 1000U);
        }
        after = listed.back();
    }
    EXPECT_EQ(listed, hashes);
    EXPECT_EQ(bytes, store().bytes_used());
}

TEST_P(StoreSuite, RemovesOldBlocksButNotThoseThatWerePutAgainOrRefreshed) {
    const std::vector<Block> blocks{block_of("again"), block_of("refreshed"), block_of("old")};
    ASSERT_TRUE(store().put_all(blocks));
    clock_.set(UnixSeconds{2000});
    ASSERT_TRUE(store().put(blocks[0].cid, blocks[0].data));
    ASSERT_TRUE(store().refresh({&blocks[1].cid, 1}));
    const std::vector hashes{blocks[0].cid.hash(), blocks[1].cid.hash(), blocks[2].cid.hash()};
    const auto removed = store().remove_old(hashes, {1000});
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->blocks, 1U);
    EXPECT_EQ(removed->bytes, 3U);
    EXPECT_EQ(store().has(blocks[0].cid), true);
    EXPECT_EQ(store().has(blocks[1].cid), true);
    EXPECT_EQ(*store().get(blocks[2].cid), std::nullopt);
    EXPECT_EQ(store().refresh({&blocks[2].cid, 1}).error().code(), CommonError::not_found);
    EXPECT_EQ(store().remove_old(hashes, {2000})->blocks, 2U);
}

TEST_P(StoreSuite, RemovesOneBlock) {
    const Block block = block_of("gone");
    ASSERT_TRUE(store().put(block.cid, block.data));
    ASSERT_TRUE(store().remove(block.cid));
    ASSERT_TRUE(store().remove(block.cid));
    EXPECT_EQ(*store().get(block.cid), std::nullopt);
    EXPECT_EQ(store().has(block.cid), false);
    EXPECT_EQ(store().bytes_used(), 0U);
}

TEST_P(StoreSuite, VerifiesAllThatItHolds) {
    import(1);
    const auto found = store().verify();
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_TRUE(found->damaged.empty());
    EXPECT_EQ(found->bytes, store().bytes_used());
    EXPECT_GT(found->blocks, 30U);
}

TEST_P(StoreSuite, CollectsOnlyWhatNoPinReaches) {
    const Cid kept = import(1);
    const std::uint64_t kept_bytes = store().bytes_used();
    const Cid dropped = import(2);
    pin(kept);
    const auto result = collect(2000);
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_GT(result->blocks_removed, 30U);
    EXPECT_EQ(result->bytes_removed, kept_bytes);
    EXPECT_TRUE(result->missing.empty());
    EXPECT_EQ(store().bytes_used(), kept_bytes);
    EXPECT_EQ(read_file(store(), kept, kMiB)->size(), 3000U);
    EXPECT_EQ(read_file(store(), dropped, kMiB).error().code(), CommonError::not_found);
    ASSERT_EQ(pins().unpin(kept, "alice", ""), 1U);
    EXPECT_GT(collect(2000)->blocks_removed, 30U);
    EXPECT_EQ(store().bytes_used(), 0U);
}

TEST_P(StoreSuite, SparesYoungBlocksAndThoseThatAreImportedAgain) {
    const Cid root = import(1);
    EXPECT_EQ(collect(1059)->blocks_removed, 0U);
    EXPECT_EQ(store().has(root), true);
    clock_.set(UnixSeconds{5000});
    EXPECT_EQ(import(1), root);
    EXPECT_EQ(collect(5059)->blocks_removed, 0U);
    EXPECT_EQ(read_file(store(), root, kMiB)->size(), 3000U);
    EXPECT_GT(collect(5060)->blocks_removed, 0U);
    EXPECT_EQ(store().has(root), false);
}

TEST_P(StoreSuite, CollectsNothingWhileAPinnedTreeHasAHole) {
    const Cid root = import(1);
    const Cid other = import(2);
    pin(root);
    const Bytes block = require_block(store(), root).value();
    ASSERT_TRUE(store().remove(root));
    const auto result = collect(2000);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->missing, std::vector{root});
    EXPECT_EQ(result->blocks_removed, 0U);
    ASSERT_TRUE(store().put(root, block));
    EXPECT_GT(collect(2000)->blocks_removed, 0U);
    EXPECT_EQ(read_file(store(), root, kMiB)->size(), 3000U);
    EXPECT_EQ(store().has(other), false);
}

TEST_P(StoreSuite, ReviewsATreeAndMakesItYoung) {
    const Cid root = import(1);
    clock_.set(UnixSeconds{5000});
    TreeReview review(store(), root);
    Result<bool> more = true;
    while (more && *more) {
        more = review.step();
    }
    ASSERT_TRUE(more) << more.error().message();
    EXPECT_EQ(review.bytes(), store().bytes_used());
    EXPECT_EQ(collect(5059)->blocks_removed, 0U);
}

TEST_P(StoreSuite, PinsCountWithinAQuotaAndExpire) {
    const Cid root = import(1);
    const Pin large{.root = root, .owner = "bob", .reason = "user", .bytes = 100};
    EXPECT_EQ(pins().pin_within(large, 99).error().code(), CommonError::limit_exceeded);
    EXPECT_EQ(pins().is_pinned(root), false);
    ASSERT_TRUE(pins().pin_within(large, 100));
    EXPECT_EQ(pins().owner_bytes("bob"), 100U);
    ASSERT_TRUE(pins().expire_owner("bob", UnixSeconds{1500}));
    EXPECT_EQ(pins().remove_expired({1499})->size(), 0U);
    EXPECT_EQ(pins().remove_expired({1500})->size(), 1U);
    EXPECT_EQ(pins().is_pinned(root), false);
    ASSERT_TRUE(pins().pin(large));
    EXPECT_EQ(pins().unpin_reason("bob", "user"), 1U);
    EXPECT_EQ(pins().list()->size(), 0U);
}

}  // namespace decloud::content::testing
