#include "disk_store.hpp"

#include "internal/test_support.hpp"

#include <decloud/store/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <thread>

namespace decloud::content {
namespace {

namespace fs = std::filesystem;
using internal::random_bytes;
using internal::raw_block;

std::unique_ptr<DiskBlockStore> must_open(const fs::path& folder, DiskStoreOptions options = {}) {
    auto store = open_disk_store(folder, options);
    EXPECT_TRUE(store) << store.error().message();
    return std::move(*store);
}

std::vector<fs::path> segments_of(const fs::path& folder) {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(folder / "segments")) {
        out.push_back(entry.path());
    }
    std::ranges::sort(out);
    return out;
}

void overwrite(const fs::path& path, std::uint64_t offset, std::string_view bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
    ASSERT_TRUE(file.flush());
}

std::uint64_t offset_of(const fs::path& path, std::string_view text) {
    std::ifstream file(path, std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    EXPECT_NE(all.find(text), std::string::npos);
    return all.find(text);
}

TEST(DiskBlockStore, KeepsBlocksAcrossReopening) {
    const TemporaryFolder home;
    const Block a = raw_block("a");
    const Block empty = raw_block("");
    {
        const auto store = must_open(home.path());
        ASSERT_TRUE(store->put(a.cid, a.data));
        ASSERT_TRUE(store->put(empty.cid, empty.data));
        EXPECT_EQ(store->bytes_used(), 1U);
    }
    const auto store = must_open(home.path());
    EXPECT_TRUE(store->repairs().empty());
    EXPECT_EQ(*store->get(a.cid), a.data);
    EXPECT_EQ(*store->get(empty.cid), Bytes{});
    EXPECT_EQ(store->bytes_used(), 1U);
    EXPECT_EQ(*store->get(raw_block("b").cid), std::nullopt);
    EXPECT_EQ(store->has(raw_block("b").cid), false);
}

/// When files' times have moved on so far that the store relies on what it has hashed.
void wait_until_settled(const fs::path& path) {
    using namespace std::chrono_literals;
    while (fs::file_time_type::clock::now() - fs::last_write_time(path) < 200ms) {
        std::this_thread::yield();
    }
}

TEST(DiskBlockStore, FindsDamageOfWhatItHasJustRead) {
    const TemporaryFolder home;
    const Block block = raw_block("to be damaged");
    const auto store = must_open(home.path());
    ASSERT_TRUE(store->put(block.cid, block.data));
    const fs::path segment = segments_of(home.path()).front();
    const std::uint64_t offset = offset_of(segment, "to be damaged");
    for (int round = 0; round < 2; ++round) {
        wait_until_settled(segment);
        EXPECT_EQ(*store->get(block.cid), block.data);
        EXPECT_EQ(*store->get(block.cid), block.data);
        overwrite(segment, offset, "To be damaged");
        EXPECT_FALSE(store->get(block.cid));
        wait_until_settled(segment);
        EXPECT_FALSE(store->get(block.cid));
        overwrite(segment, offset, "to be damaged");
    }
    EXPECT_EQ(*store->get(block.cid), block.data);
}

TEST(DiskBlockStore, RefusesADamagedBlockByNameAndHealsIt) {
    const TemporaryFolder home;
    const Block damaged = raw_block("to be damaged");
    const Block sound = raw_block("sound");
    {
        const auto store = must_open(home.path());
        ASSERT_TRUE(store->put_all(std::vector<Block>{damaged, sound}));
    }
    const fs::path segment = segments_of(home.path()).front();
    overwrite(segment, offset_of(segment, "to be damaged"), "To be damaged");
    const auto store = must_open(home.path());
    const auto got = store->get(damaged.cid);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), CommonError::corrupt);
    EXPECT_NE(got.error().message().find(damaged.cid.to_string()), std::string::npos);
    EXPECT_EQ(*store->get(sound.cid), sound.data);
    const auto found = *store->verify();
    ASSERT_EQ(found.damaged.size(), 1U);
    EXPECT_EQ(found.damaged.front().cid, damaged.cid);
    EXPECT_EQ(home.path() / segment_file(found.damaged.front().segment), segment);
    EXPECT_EQ(found.damaged.front().offset, offset_of(segment, "To be damaged"));
    EXPECT_EQ(found.blocks, 2U);
    EXPECT_EQ(found.bytes, damaged.data.size() + sound.data.size());
    ASSERT_TRUE(store->put(damaged.cid, damaged.data));
    EXPECT_EQ(*store->get(damaged.cid), damaged.data);
    EXPECT_TRUE(store->verify()->damaged.empty());
    EXPECT_EQ(store->bytes_used(), damaged.data.size() + sound.data.size());
}

TEST(DiskBlockStore, BuildsALostIndexAnew) {
    const TemporaryFolder home;
    std::mt19937_64 random(4);
    std::vector<Block> blocks;
    for (int i = 0; i < 50; ++i) {
        blocks.push_back(raw_block(random_bytes(random, random() % 2000)));
    }
    std::uint64_t used = 0;
    {
        const auto store = must_open(home.path(), {.segment_bytes = 10'000});
        for (const Block& block : blocks) {
            ASSERT_TRUE(store->put(block.cid, block.data));
        }
        used = store->bytes_used();
    }
    for (const char* name : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}) {
        fs::remove(home.path() / name);
    }
    const auto store = must_open(home.path(), {.segment_bytes = 10'000});
    EXPECT_GT(segments_of(home.path()).size(), 3U);
    EXPECT_EQ(store->bytes_used(), used);
    for (const Block& block : blocks) {
        EXPECT_EQ(*store->get(block.cid), block.data);
    }
}

TEST(DiskBlockStore, FindsWhatAnIndexFromBeforeAPowerCutLacks) {
    const TemporaryFolder home;
    const Block early = raw_block("early");
    const Block damaged = raw_block("damaged");
    const Block late = raw_block("late");
    const Block staged_late = raw_block(Bytes(500, 1));
    const DiskStoreOptions options{.staging_memory = 100};
    {
        ASSERT_TRUE(must_open(home.path())->put_all(std::vector<Block>{early, damaged}));
    }
    const fs::path segment = segments_of(home.path()).front();
    overwrite(segment, offset_of(segment, "damaged"), "Damaged");
    fs::copy_file(home.path() / "index.sqlite", home.path() / "kept");
    {
        const auto store = must_open(home.path(), options);
        ASSERT_TRUE(store->put(late.cid, late.data));
        ASSERT_TRUE(store->put(damaged.cid, damaged.data));
        const auto staged = *store->stage();
        ASSERT_TRUE(staged->put(staged_late.cid, staged_late.data));
        ASSERT_TRUE(staged->commit());
    }
    fs::remove(home.path() / "index.sqlite-wal");
    fs::remove(home.path() / "index.sqlite-shm");
    fs::rename(home.path() / "kept", home.path() / "index.sqlite");
    const auto store = must_open(home.path(), options);
    EXPECT_TRUE(store->repairs().empty());
    for (const Block& block : {early, damaged, late, staged_late}) {
        EXPECT_EQ(*store->get(block.cid), block.data);
    }
    EXPECT_EQ(store->bytes_used(), 516U);
}

TEST(DiskBlockStore, BuildsADamagedIndexAnewAndSaysSo) {
    const TemporaryFolder home;
    const Block block = raw_block("kept");
    {
        ASSERT_TRUE(must_open(home.path())->put(block.cid, block.data));
    }
    fs::remove(home.path() / "index.sqlite-wal");
    overwrite(home.path() / "index.sqlite", 0, std::string(4096, 'x'));
    const auto store = must_open(home.path());
    ASSERT_EQ(store->repairs().size(), 1U);
    EXPECT_NE(store->repairs()[0].find("index.sqlite"), std::string::npos);
    EXPECT_EQ(*store->get(block.cid), block.data);
}

TEST(DiskBlockStore, CutsATornTailAndSaysSo) {
    const TemporaryFolder home;
    const Block kept = raw_block("kept");
    const Block torn = raw_block(Bytes(1000, 7));
    {
        ASSERT_TRUE(must_open(home.path())->put(kept.cid, kept.data));
    }
    const fs::path segment = segments_of(home.path()).front();
    const std::uint64_t sound = fs::file_size(segment);
    {
        ASSERT_TRUE(must_open(home.path())->put(torn.cid, torn.data));
    }
    const std::uint64_t whole = fs::file_size(segment);
    for (std::uint64_t size = sound + 1; size < whole; size += 97) {
        for (const char* name : {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"}) {
            fs::remove(home.path() / name);
        }
        fs::resize_file(segment, size);
        const auto store = must_open(home.path());
        ASSERT_EQ(store->repairs().size(), 1U);
        EXPECT_NE(store->repairs()[0].find("cut off"), std::string::npos);
        EXPECT_EQ(*store->get(kept.cid), kept.data);
        EXPECT_EQ(*store->get(torn.cid), std::nullopt);
        EXPECT_EQ(fs::file_size(segment), sound);
        ASSERT_TRUE(store->put(torn.cid, torn.data));
        EXPECT_EQ(*store->get(torn.cid), torn.data);
        EXPECT_EQ(fs::file_size(segment), whole);
    }
}

TEST(DiskBlockStore, ReportsASegmentThatLostBytesItHadIndexed) {
    const TemporaryFolder home;
    const Block first = raw_block("first");
    const Block lost = raw_block("lost");
    {
        const auto store = must_open(home.path());
        ASSERT_TRUE(store->put_all(std::vector<Block>{first, lost}));
    }
    const fs::path segment = segments_of(home.path()).front();
    fs::resize_file(segment, fs::file_size(segment) - 2);
    const auto store = must_open(home.path());
    EXPECT_EQ(store->repairs().size(), 1U);
    EXPECT_EQ(*store->get(first.cid), first.data);
    EXPECT_EQ(store->get(lost.cid).error().code(), CommonError::corrupt);
    ASSERT_TRUE(store->put(lost.cid, lost.data));
    EXPECT_EQ(*store->get(lost.cid), lost.data);
    EXPECT_EQ(segments_of(home.path()).size(), 2U);
}

TEST(DiskBlockStore, ReportsAMissingSegment) {
    const TemporaryFolder home;
    const Block block = raw_block("block");
    {
        ASSERT_TRUE(must_open(home.path())->put(block.cid, block.data));
    }
    fs::remove(segments_of(home.path()).front());
    const auto store = must_open(home.path());
    EXPECT_EQ(store->repairs().size(), 1U);
    EXPECT_EQ(store->get(block.cid).error().code(), CommonError::corrupt);
    ASSERT_TRUE(store->put(block.cid, block.data));
    EXPECT_EQ(*store->get(block.cid), block.data);
}

TEST(DiskBlockStore, RefusesForeignFilesAndNewerFormats) {
    const TemporaryFolder home;
    {
        must_open(home.path());
    }
    overwrite(home.path() / "format", 0, "decloud-blocks 2\n");
    const auto newer = open_disk_store(home.path());
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code(), StoreError::newer_format);
    EXPECT_NE(newer.error().message().find("version 2"), std::string::npos);
    overwrite(home.path() / "format", 0, "something else..\n");
    EXPECT_EQ(open_disk_store(home.path()).error().code(), StoreError::damaged);
    overwrite(home.path() / "format", 0, "decloud-blocks 1\n");
    std::ofstream(home.path() / "segments" / "stray.txt") << "x";
    EXPECT_EQ(open_disk_store(home.path()).error().code(), StoreError::damaged);
}

TEST(DiskBlockStore, IsOpenedByOneAtATime) {
    const TemporaryFolder home;
    const auto store = must_open(home.path());
    const auto second = open_disk_store(home.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), StoreError::in_use);
}

TEST(DiskBlockStore, KeepsToItsSize) {
    const TemporaryFolder home;
    const auto store = must_open(home.path(), {.max_bytes = 100});
    const Block half = raw_block(Bytes(60, 1));
    const Block other = raw_block(Bytes(60, 2));
    ASSERT_TRUE(store->put(half.cid, half.data));
    EXPECT_EQ(store->put(other.cid, other.data).error().code(), CommonError::limit_exceeded);
    EXPECT_TRUE(store->put(half.cid, half.data));
    ASSERT_TRUE(store->remove(half.cid));
    EXPECT_EQ(store->bytes_used(), 0U);
    EXPECT_TRUE(store->put(other.cid, other.data));
}

TEST(DiskBlockStore, ShowsStagedBlocksOnlyOnceCommitted) {
    const TemporaryFolder home;
    std::mt19937_64 random(5);
    for (const std::uint64_t memory : {std::uint64_t{1} << 20U, std::uint64_t{100}}) {
        const auto store = must_open(home.path(), {.staging_memory = memory});
        std::vector<Block> blocks;
        for (int i = 0; i < 20; ++i) {
            blocks.push_back(raw_block(random_bytes(random, 50)));
        }
        for (const bool commit : {false, true}) {
            const auto staged = store->stage();
            ASSERT_TRUE(staged);
            for (const Block& block : blocks) {
                ASSERT_TRUE((*staged)->put(block.cid, block.data));
                ASSERT_TRUE((*staged)->put(block.cid, block.data));
            }
            EXPECT_EQ((*staged)->bytes(), 1000U);
            for (const Block& block : blocks) {
                EXPECT_EQ(*(*staged)->get(block.cid), block.data);
                EXPECT_EQ(store->has(block.cid), false);
            }
            if (commit) {
                ASSERT_TRUE((*staged)->commit());
            }
        }
        for (const Block& block : blocks) {
            EXPECT_EQ(*store->get(block.cid), block.data);
        }
        EXPECT_TRUE(fs::is_empty(home.path() / "staging"));
    }
}

TEST(DiskBlockStore, ForgetsWhatWasStagedWhenItEnded) {
    const TemporaryFolder home;
    {
        must_open(home.path());
    }
    std::ofstream(home.path() / "staging" / "1.car") << "half a block";
    must_open(home.path());
    EXPECT_TRUE(fs::is_empty(home.path() / "staging"));
}

std::uint64_t compact(DiskBlockStore& store) {
    std::uint64_t freed = 0;
    for (const std::uint64_t segment : store.sparse_segments()) {
        freed += store.compact_segment(segment).value();
    }
    return freed;
}

TEST(DiskBlockStore, CompactsWhatIsMostlyDead) {
    const TemporaryFolder home;
    std::mt19937_64 random(6);
    std::vector<Block> blocks;
    for (int i = 0; i < 100; ++i) {
        blocks.push_back(raw_block(random_bytes(random, 1000)));
    }
    const DiskStoreOptions options{.segment_bytes = 20'000};
    {
        const auto store = must_open(home.path(), options);
        for (const Block& block : blocks) {
            ASSERT_TRUE(store->put(block.cid, block.data));
        }
        EXPECT_EQ(compact(*store), 0U);
        std::vector<multiformats::Multihash> dead;
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            if (i % 4 != 0) {
                dead.push_back(blocks[i].cid.hash());
            }
        }
        EXPECT_EQ(store->remove_old(dead, {UINT64_MAX})->blocks, 75U);
        EXPECT_GT(compact(*store), 60'000U);
        EXPECT_EQ(compact(*store), 0U);
    }
    const auto store = must_open(home.path(), options);
    EXPECT_TRUE(store->repairs().empty());
    EXPECT_EQ(store->bytes_used(), 25'000U);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        EXPECT_EQ(store->get(blocks[i].cid)->has_value(), i % 4 == 0) << i;
    }
    std::uint64_t on_disk = 0;
    for (const fs::path& segment : segments_of(home.path())) {
        on_disk += fs::file_size(segment);
    }
    EXPECT_LT(on_disk, 60'000U);
}

TEST(DiskBlockStore, ServesSeveralThreads) {
    const TemporaryFolder home;
    const auto store = must_open(home.path(), {.segment_bytes = 10'000});
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (unsigned seed = 0; seed < 4; ++seed) {
        threads.emplace_back([&, seed] {
            std::mt19937_64 random(seed);
            for (int i = 0; i < 50; ++i) {
                const Block block = raw_block(random_bytes(random, 300));
                if (!store->put(block.cid, block.data) || *store->get(block.cid) != block.data ||
                    (i % 3 == 0 && !store->remove(block.cid))) {
                    ++failures;
                }
                if (i % 20 == 0) {
                    compact(*store);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(store->bytes_used(), 4U * 33U * 300U);
    EXPECT_TRUE(store->verify()->damaged.empty());
}

}  // namespace
}  // namespace decloud::content
