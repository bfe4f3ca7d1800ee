#include "cache_index.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace decloud::sandbox::internal {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

void add(CacheIndex& index, const std::string& name, std::uint64_t bytes) {
    static_cast<void>(index.use(name));
    index.set_bytes(name, bytes);
}

TEST(CacheIndex, LetsTheLongestUnusedGoUntilTheRestFits) {
    CacheIndex index(100);
    add(index, "a", 40);
    add(index, "b", 40);
    EXPECT_EQ(index.evict(), Names{});
    static_cast<void>(index.use("a"));
    add(index, "c", 40);
    EXPECT_TRUE(index.is_full());
    EXPECT_EQ(index.evict(), Names{"b"});
    EXPECT_EQ(index.bytes(), 80U);
    index.set_bytes("c", 90);
    EXPECT_EQ(index.evict(), Names{"a"});
    index.forget("c");
    EXPECT_EQ(index.bytes(), 0U);
}

TEST(CacheIndex, KeepsWhatIsInUse) {
    CacheIndex index(10);
    CacheUse used = index.use("used");
    index.set_bytes("used", 8);
    add(index, "new", 8);
    EXPECT_EQ(index.evict(), Names{"new"});
    index.set_bytes("used", 20);
    EXPECT_EQ(index.evict(), Names{});
    used.reset();
    EXPECT_EQ(index.evict(), Names{"used"});
}

TEST(CacheIndex, HasUnusedHoldersLetGoOnlyWhileThatIsNeeded) {
    CacheIndex index(10);
    std::vector<CacheUse> holders;
    for (const char* name : {"a", "b", "c"}) {
        holders.push_back(index.use(name));
        index.set_bytes(name, 6);
    }
    Names removed;
    make_room(
        index, [&](const std::string& name) { removed.push_back(name); },
        [&] {
            if (holders.empty()) {
                return false;
            }
            holders.erase(holders.begin());
            return true;
        });
    EXPECT_EQ(removed, (Names{"a", "b"}));
    EXPECT_EQ(holders.size(), 1U);
    index.set_bytes("c", 11);
    const CacheUse running = index.use("c");
    make_room(
        index, [&](const std::string& name) { removed.push_back(name); }, [] { return false; });
    EXPECT_EQ(removed.size(), 2U);
}

TEST(CacheIndex, TakesUpWhatIsOnDiskInTheOrderOfItsUse) {
    const TemporaryFolder owned;
    const fs::path& folder = owned.path();
    fs::create_directories(folder / "package" / "inside");
    std::ofstream(folder / "package" / "inside" / "file") << std::string(100'000, 'x');
    std::ofstream(folder / "code") << std::string(50'000, 'x');
    std::ofstream(folder / "half.new") << "x";
    fs::create_directories(folder / ".new-1-1" / "inside");
    ASSERT_EQ(::chmod((folder / ".new-1-1" / "inside").c_str(), 0555), 0);
    const fs::file_time_type now = fs::file_time_type::clock::now();
    fs::last_write_time(folder / "code", now - std::chrono::hours(1));
    fs::last_write_time(folder / "package", now - std::chrono::hours(2));
    touch(folder / "package");

    CacheIndex index(120'000);
    index.scan(folder);
    EXPECT_GE(index.bytes(), 150'000U);
    EXPECT_FALSE(fs::exists(folder / "half.new"));
    EXPECT_FALSE(fs::exists(folder / ".new-1-1"));
    EXPECT_EQ(index.evict(), Names{"code"});
}

}  // namespace
}  // namespace decloud::sandbox::internal
