#include "reader.hpp"

#include "importer.hpp"
#include "internal/test_support.hpp"

#include <decloud/base/units.hpp>
#include <decloud/multiformats/unixfs_builder.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

namespace decloud::content {
namespace {

namespace fs = std::filesystem;
using internal::random_bytes;
using multiformats::DirectoryBuilder;
using multiformats::PbLink;
using multiformats::UnixFsData;
using multiformats::UnixFsType;

ImportOptions small_blocks() {
    ImportOptions options;
    options.profile.chunk_size = 64;
    options.profile.max_links = 3;
    options.profile.shard_threshold = 300;
    return options;
}

class ReaderTest : public testing::Test {
  protected:
    Cid put_node(const UnixFsData& info, std::vector<PbLink> links) {
        const Bytes block = multiformats::encode_pb(
            {.links = std::move(links), .data = multiformats::encode_unixfs(info)});
        Cid cid = Cid::of(multiformats::Codec::dag_pb, block);
        EXPECT_TRUE(store_->put(cid, block));
        return cid;
    }
    Cid put_file(std::string_view content) { return import_bytes(*store_, as_bytes(content))->cid; }
    /// A directory with any names, which DirectoryBuilder would refuse.
    Cid put_directory(const std::vector<std::string>& names) {
        UnixFsData info;
        info.type = UnixFsType::directory;
        std::vector<PbLink> links;
        for (const std::string& name : names) {
            links.push_back({.cid = put_file(name), .name = name, .tsize = 1});
        }
        return put_node(info, std::move(links));
    }

    std::unique_ptr<BlockStore> store_ = make_memory_block_store();
};

TEST_F(ReaderTest, ReadsFromAnyOffset) {
    std::mt19937_64 random(7);
    const Bytes content = random_bytes(random, 5000);
    const Cid cid = import_bytes(*store_, content, small_blocks())->cid;
    auto reader = FileReader::open(*store_, cid);
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->size(), content.size());
    for (const std::uint64_t offset : {0U, 1U, 63U, 64U, 65U, 2500U, 4999U, 5000U, 6000U}) {
        reader->seek(offset);
        Bytes rest;
        for (;;) {
            const auto piece = reader->next();
            ASSERT_TRUE(piece);
            if (piece->empty()) {
                break;
            }
            append(rest, BytesView(*piece));
        }
        const auto start = std::min<std::size_t>(offset, content.size());
        EXPECT_EQ(rest, to_bytes(BytesView(content).subspan(start))) << offset;
    }
}

TEST_F(ReaderTest, RefusesFilesAboveTheLimit) {
    const Cid cid = put_file("12345");
    EXPECT_EQ(read_file(*store_, cid, 4).error().code(), CommonError::limit_exceeded);
    EXPECT_EQ(as_text(*read_file(*store_, cid, 5)), "12345");
}

TEST_F(ReaderTest, NamesAMissingBlock) {
    const Cid cid = import_bytes(*store_, Bytes(200, 1), small_blocks())->cid;
    const Cid leaf = Cid::of(multiformats::Codec::raw, Bytes(64, 1));
    ASSERT_TRUE(store_->remove(leaf));
    const auto read = read_file(*store_, cid, kMiB);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), CommonError::not_found);
    EXPECT_NE(read.error().message().find(leaf.to_string()), std::string::npos);
}

TEST_F(ReaderTest, RefusesFilesThatLieAboutTheirParts) {
    UnixFsData info;
    info.type = UnixFsType::file;
    info.block_sizes = {4};
    info.file_size = 4;
    const Cid lie = put_node(info, {{.cid = put_file("12345"), .name = "", .tsize = 5}});
    EXPECT_EQ(read_file(*store_, lie, kMiB).error().code(), CommonError::invalid_input);
    const Cid folder = put_node(info, {{.cid = put_directory({"a"}), .name = "", .tsize = 5}});
    EXPECT_EQ(read_file(*store_, folder, kMiB).error().code(), CommonError::invalid_input);
}

TEST_F(ReaderTest, RefusesFilesThatAreTooDeep) {
    Cid cid = put_file("x");
    for (std::size_t depth = 0; depth <= kMaxBlockDepth; ++depth) {
        UnixFsData info;
        info.type = UnixFsType::file;
        info.block_sizes = {1};
        EXPECT_EQ(read_file(*store_, cid, 10).has_value(), true) << depth;
        cid = put_node(info, {{.cid = cid, .name = "", .tsize = 1}});
    }
    EXPECT_EQ(read_file(*store_, cid, 10).error().code(), CommonError::invalid_input);
}

TEST_F(ReaderTest, FindsEntriesInFlatAndShardedDirectories) {
    for (const std::size_t count : {3U, 700U}) {
        const auto profile = small_blocks().profile;
        DirectoryBuilder builder(profile,
            [&](const Cid& cid, BytesView data) -> Result<void> { return store_->put(cid, data); });
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count; ++i) {
            names.push_back("entry-" + std::to_string(i));
            ASSERT_TRUE(builder.add(names.back(), *import_bytes(*store_, as_bytes(names.back()))));
        }
        const Cid root = builder.finish()->cid;
        const auto listed = list_directory(*store_, root);
        ASSERT_TRUE(listed) << listed.error().message();
        std::ranges::sort(names);
        ASSERT_EQ(listed->size(), names.size());
        for (std::size_t i = 0; i < names.size(); ++i) {
            EXPECT_EQ((*listed)[i].name, names[i]);
            const auto found = find_entry(*store_, root, names[i]);
            ASSERT_TRUE(found);
            EXPECT_EQ(as_text(*read_file(*store_, *found, 100)), names[i]);
        }
        for (const char* name : {"", "entry", "entry-10000", "nothing"}) {
            EXPECT_EQ(find_entry(*store_, root, name).error().code(), CommonError::not_found);
        }
        EXPECT_EQ(
            list_directory(*store_, root, count - 1).error().code(), CommonError::limit_exceeded);
        EXPECT_EQ(stat_node(*store_, root)->kind, NodeKind::directory);
    }
}

TEST_F(ReaderTest, RefusesAnEntryInAnothersSlot) {
    UnixFsData info;
    info.type = UnixFsType::hamt_shard;
    info.hash_type = multiformats::kMurmur3;
    info.fanout = 256;
    info.data = Bytes{1};
    const std::string slot = "00";
    ASSERT_NE(multiformats::hamt_hash("a") >> 56U, 0U);
    const Cid root = put_node(info, {{.cid = put_file("a"), .name = slot + "a", .tsize = 1}});
    EXPECT_EQ(list_directory(*store_, root).error().code(), CommonError::invalid_input);
    EXPECT_EQ(find_entry(*store_, root, "a").error().code(), CommonError::not_found);
}

TEST_F(ReaderTest, RefusesRepeatedNames) {
    EXPECT_EQ(list_directory(*store_, put_directory({"a", "a"})).error().code(),
        CommonError::invalid_input);
}

TEST_F(ReaderTest, WalksPaths) {
    const TemporaryFolder home;
    fs::create_directories(home.path() / "tree" / "a" / "b");
    {
        std::ofstream(home.path() / "tree" / "a" / "b" / "c.txt") << "found";
    }
    const Cid root = import_path(*store_, home.path() / "tree")->cid;
    for (const char* path : {"/a/b/c.txt", "a/b/c.txt", "//a/b//c.txt/"}) {
        const auto cid = resolve_path(*store_, root, path);
        ASSERT_TRUE(cid) << path;
        EXPECT_EQ(as_text(*read_file(*store_, *cid, 100)), "found");
    }
    EXPECT_EQ(resolve_path(*store_, root, ""), root);
    EXPECT_EQ(resolve_path(*store_, root, "a/x").error().code(), CommonError::not_found);
    EXPECT_EQ(resolve_path(*store_, root, "a/b/c.txt/d").error().code(), CommonError::not_found);
    EXPECT_EQ(resolve_path(*store_, root, "a/../a").error().code(), CommonError::invalid_input);
}

TEST_F(ReaderTest, RefusesHostileNamesOnTheWayOut) {
    const TemporaryFolder home;
    for (const std::string& name :
        {std::string(".."), std::string("."), std::string(), std::string("../escaped"),
            std::string("/etc/escaped"), std::string("a\0b", 3), std::string(300, 'a')}) {
        const fs::path target = home.path() / "out";
        const auto status = export_tree(*store_, put_directory({"before", name}), target);
        ASSERT_FALSE(status) << name;
        EXPECT_EQ(status.error().code(), CommonError::invalid_input);
        EXPECT_FALSE(fs::exists(target));
        EXPECT_FALSE(fs::exists(home.path() / "escaped"));
    }
}

TEST_F(ReaderTest, ExportsNothingOverWhatIsThere) {
    const TemporaryFolder home;
    {
        std::ofstream(home.path() / "file") << "mine";
    }
    EXPECT_EQ(export_tree(*store_, put_file("other"), home.path() / "file").error().code(),
        CommonError::already_exists);
    fs::create_symlink("/tmp", home.path() / "link");
    EXPECT_EQ(export_tree(*store_, put_directory({"a"}), home.path() / "link").error().code(),
        CommonError::already_exists);
}

TEST_F(ReaderTest, KeepsToTheLimitsOfAnExport) {
    const TemporaryFolder home;
    const Cid root = put_directory({"a", "b", "c"});
    EXPECT_EQ(export_tree(*store_, root, home.path() / "1", {.max_entries = 3}).error().code(),
        CommonError::limit_exceeded);
    EXPECT_EQ(export_tree(*store_, root, home.path() / "2", {.max_bytes = 2}).error().code(),
        CommonError::limit_exceeded);
    EXPECT_EQ(export_tree(*store_, root, home.path() / "3", {.max_depth = 0}).error().code(),
        CommonError::limit_exceeded);
    EXPECT_TRUE(export_tree(
        *store_, root, home.path() / "4", {.max_bytes = 3, .max_entries = 4, .max_depth = 1}));
}

}  // namespace
}  // namespace decloud::content
