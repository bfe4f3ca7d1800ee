#include "importer.hpp"

#include "disk_store.hpp"
#include "internal/test_support.hpp"
#include "reader.hpp"

#include <decloud/base/units.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <map>

namespace decloud::content {
namespace {

namespace fs = std::filesystem;
using internal::random_bytes;

void write_file(const fs::path& path, BytesView content) {
    std::ofstream file(path, std::ios::binary);
    file << as_text(content);
    ASSERT_TRUE(file.flush());
}

/// Fills a new folder with files, folders and symbolic links.
void grow_tree(std::mt19937_64& random, const fs::path& folder, int depth) {
    fs::create_directory(folder);
    for (std::uint64_t i = 0, count = random() % 6; i < count; ++i) {
        const fs::path path = folder / ("n\xc3\xa4me " + std::to_string(random() % 1000));
        if (fs::exists(fs::symlink_status(path))) {
            continue;
        }
        switch (random() % 4) {
            case 0:
                if (depth > 0) {
                    grow_tree(random, path, depth - 1);
                    break;
                }
                [[fallthrough]];
            case 1:
                fs::create_symlink("../somewhere/" + std::to_string(random() % 10), path);
                break;
            default:
                write_file(path, random_bytes(random, random() % 700));
        }
    }
}

/// Each path with its kind and content.
std::map<std::string, std::string> describe(const fs::path& root) {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        std::string& value = out[fs::relative(entry.path().parent_path(), root).string() + "/" +
                                 entry.path().filename().string()];
        if (entry.is_symlink()) {
            value = "link to " + fs::read_symlink(entry.path()).string();
        } else if (entry.is_directory()) {
            value = "folder";
        } else {
            std::ifstream file(entry.path(), std::ios::binary);
            value = "file " + std::string((std::istreambuf_iterator<char>(file)), {});
        }
    }
    return out;
}

TEST(Importer, BringsBackRandomTrees) {
    const TemporaryFolder home;
    std::mt19937_64 random(8);
    const auto store = *open_disk_store(home.path() / "blocks", {.staging_memory = 3000});
    ImportOptions options;
    options.profile.chunk_size = 50;
    options.profile.max_links = 3;
    options.profile.shard_threshold = 100;
    options.profile.fanout = 16;
    std::size_t entries = 0;
    for (int round = 0; round < 60; ++round) {
        const fs::path in = home.path() / ("in" + std::to_string(round));
        const fs::path out = home.path() / ("out" + std::to_string(round));
        grow_tree(random, in, 4);
        const auto imported = import_path(*store, in, options);
        ASSERT_TRUE(imported) << imported.error().message();
        const auto exported = export_tree(*store, imported->cid, out);
        ASSERT_TRUE(exported) << exported.error().message();
        const auto expected = describe(in);
        EXPECT_EQ(describe(out), expected);
        entries += expected.size();
        EXPECT_EQ(import_path(*store, out, options)->cid, imported->cid);
    }
    EXPECT_GT(entries, 200U);
}

TEST(Importer, LeavesHiddenFilesOutUnlessAsked) {
    const TemporaryFolder home;
    const auto store = make_memory_block_store();
    const fs::path tree = home.path() / ".tree";
    fs::create_directory(tree);
    write_file(tree / ".hidden", as_bytes("x"));
    write_file(tree / "shown", as_bytes("x"));
    EXPECT_EQ(list_directory(*store, import_path(*store, tree)->cid)->size(), 1U);
    ImportOptions options;
    options.hidden_files = true;
    EXPECT_EQ(list_directory(*store, import_path(*store, tree, options)->cid)->size(), 2U);
}

TEST(Importer, AddsNothingWhenItFails) {
    const TemporaryFolder home;
    const auto store = *open_disk_store(home.path() / "blocks", {.staging_memory = 10});
    const fs::path tree = home.path() / "tree";
    fs::create_directory(tree);
    for (int i = 0; i < 10; ++i) {
        write_file(tree / std::to_string(i), as_bytes("content " + std::to_string(i)));
    }
    ASSERT_EQ(::mkfifo((tree / "pipe").c_str(), 0600), 0);
    const auto imported = import_path(*store, tree);
    ASSERT_FALSE(imported);
    EXPECT_EQ(imported.error().code(), CommonError::invalid_input);
    EXPECT_EQ(store->bytes_used(), 0U);
    EXPECT_TRUE(fs::is_empty(home.path() / "blocks" / "staging"));
    fs::remove(tree / "pipe");
    write_file(tree / "\xff\xfe", as_bytes("x"));
    EXPECT_EQ(import_path(*store, tree).error().code(), CommonError::invalid_input);
    EXPECT_EQ(import_path(*store, home.path() / "none").error().code(), CommonError::not_found);
    EXPECT_EQ(store->bytes_used(), 0U);
}

TEST(Importer, RefusesFoldersThatAreTooDeep) {
    const TemporaryFolder home;
    const auto store = make_memory_block_store();
    fs::create_directories(home.path() / "1" / "2" / "3");
    ImportOptions options;
    options.max_depth = 3;
    EXPECT_TRUE(import_path(*store, home.path() / "1", options));
    options.max_depth = 2;
    EXPECT_EQ(import_path(*store, home.path() / "1", options).error().code(),
        CommonError::limit_exceeded);
}

TEST(Importer, TellsHowFarItIs) {
    const TemporaryFolder home;
    const auto store = make_memory_block_store();
    write_file(home.path() / "file", Bytes(3'000'000, 1));
    std::vector<std::uint64_t> progress;
    ImportOptions options;
    options.on_progress = [&](std::uint64_t bytes) { progress.push_back(bytes); };
    const auto entry = import_path(*store, home.path() / "file", options);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->size, 3'000'000U);
    ASSERT_EQ(progress.size(), 3U);
    EXPECT_EQ(progress.back(), 3'000'000U);
}

TEST(FileImport, TellsHowFarItIs) {
    const auto store = make_memory_block_store();
    std::vector<std::uint64_t> progress;
    ImportOptions options;
    options.on_progress = [&](std::uint64_t bytes) { progress.push_back(bytes); };
    auto import = FileImport::begin(*store, options);
    ASSERT_TRUE(import);
    ASSERT_TRUE(import->write(Bytes(1'000'000, 1)));
    ASSERT_TRUE(import->write(Bytes(5, 2)));
    ASSERT_TRUE(import->finish());
    ASSERT_TRUE(import_bytes(*store, as_bytes("hello"), options));
    EXPECT_EQ(progress, (std::vector<std::uint64_t>{1'000'000, 1'000'005, 5}));
}

TEST(FileImport, AddsNothingUntilItIsFinished) {
    const auto store = make_memory_block_store();
    {
        auto abandoned = FileImport::begin(*store);
        ASSERT_TRUE(abandoned);
        ASSERT_TRUE(abandoned->write(Bytes(3'000'000, 1)));
    }
    EXPECT_EQ(store->bytes_used(), 0U);
    auto import = FileImport::begin(*store);
    ASSERT_TRUE(import);
    ASSERT_TRUE(import->write(as_bytes("hello ")));
    ASSERT_TRUE(import->write(as_bytes("world")));
    const auto entry = import->finish();
    ASSERT_TRUE(entry);
    EXPECT_EQ(
        entry->cid.to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    EXPECT_EQ(as_text(*read_file(*store, entry->cid, kMiB)), "hello world");
}

TEST(FileImport, HashesOnThreadsWhatOneWouldHash) {
    std::mt19937_64 random(7);
    // Beyond what is staged in memory, with chunks that are and are not worth a thread.
    const Bytes content = random_bytes(random, 12'345'678);
    for (ImportOptions options :
        {ImportOptions{}, ImportOptions{.profile = UnixFsProfile::v0_2015()}}) {
        const auto expected = make_memory_block_store();
        const UnixFsEntry alone = *import_bytes(*expected, content, options);
        for (const std::size_t threads : {1, 3}) {
            const TemporaryFolder home;
            const auto store = *open_disk_store(home.path() / "blocks");
            options.hashing_threads = threads;
            auto import = *FileImport::begin(*store, options);
            for (BytesView rest = content; !rest.empty();) {
                const std::size_t piece = std::min<std::size_t>(rest.size(), 777'777);
                ASSERT_TRUE(import.write(rest.first(piece)));
                rest = rest.subspan(piece);
            }
            const auto entry = import.finish();
            ASSERT_TRUE(entry) << entry.error().message();
            EXPECT_EQ(entry->cid, alone.cid);
            EXPECT_EQ(entry->tsize, alone.tsize);
            EXPECT_EQ(import.bytes(), expected->bytes_used());
            EXPECT_EQ(store->bytes_used(), expected->bytes_used());
            EXPECT_EQ(*read_file(*store, entry->cid, 64 * kMiB), content);
            EXPECT_TRUE(store->verify()->damaged.empty());
        }
    }
}

TEST(FileImport, AddsNothingWhenItIsNotToBeCommitted) {
    const auto store = make_memory_block_store();
    std::size_t blocks = 0;
    ImportOptions options{.hashing_threads = 2};
    options.before_commit = [&](const auto& cids) -> Result<void> {
        blocks = cids.size();
        return fail(CommonError::conflict, "no");
    };
    auto import = *FileImport::begin(*store, options);
    ASSERT_TRUE(import.write(Bytes(3'000'000, 1)));
    EXPECT_EQ(import.finish().error().code(), CommonError::conflict);
    // Two equal chunks, the rest, the file.
    EXPECT_EQ(blocks, 3U);
    EXPECT_EQ(store->bytes_used(), 0U);
}

TEST(FileImport, TellsThatThereIsNoRoom) {
    const TemporaryFolder home;
    const auto store = *open_disk_store(home.path() / "blocks", {.max_bytes = 4'000'000});
    auto import = *FileImport::begin(*store, {.hashing_threads = 2});
    std::mt19937_64 random(8);
    const Bytes content = random_bytes(random, 20'000'000);
    auto status = import.write(content);
    if (status) {
        status = fail(import.finish().error());
    }
    EXPECT_EQ(status.error().code(), CommonError::limit_exceeded);
    EXPECT_EQ(store->bytes_used(), 0U);
}

}  // namespace
}  // namespace decloud::content
