#include "source_tree.hpp"

#include "car_transfer.hpp"
#include "internal/test_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace decloud::content {
namespace {

namespace fs = std::filesystem;
using internal::random_bytes;

void write_file(const fs::path& path, BytesView content) {
    std::ofstream file(path, std::ios::binary);
    file << as_text(content);
    ASSERT_TRUE(file.flush());
}

class SourceTreeTest : public testing::Test {
  protected:
    SourceTreeTest() {
        fs::create_directories(path_ / "inner/empty");
        write_file(path_ / "large", random_bytes(random_, (std::size_t{5} << 20U) + 17));
        write_file(path_ / "small", random_bytes(random_, 100));
        write_file(path_ / "nothing", {});
        write_file(path_ / "inner/twice", random_bytes(random_, 3000));
        fs::copy_file(path_ / "inner/twice", path_ / "twice");
        // The same megabyte three times in one file.
        write_file(path_ / "zeros", Bytes(std::size_t{3} << 20U));
        fs::create_symlink("small", path_ / "link");
    }

    TemporaryFolder folder_;
    fs::path path_ = folder_.path() / "tree";
    std::mt19937_64 random_{7};
};

TEST_F(SourceTreeTest, GivesTheBlocksThatAnImportMakes) {
    const auto tree = read_source_tree(path_);
    ASSERT_TRUE(tree) << tree.error().message();
    const auto store = make_memory_block_store();
    const auto imported = import_path(*store, path_);
    ASSERT_TRUE(imported);
    EXPECT_EQ((*tree)->root().cid, imported->cid);
    EXPECT_EQ((*tree)->blocks().bytes_used(), store->bytes_used());

    const auto car = car_export((*tree)->blocks(), {imported->cid}, 1U << 30U);
    const auto expected = car_export(*store, {imported->cid}, 1U << 30U);
    ASSERT_TRUE(car) << car.error().message();
    EXPECT_EQ(*car, *expected);
    // Every block is what its id says.
    const auto copy = make_memory_block_store();
    EXPECT_TRUE(car_import(*copy, *car));
}

TEST_F(SourceTreeTest, NamesAFileThatChangedMeanwhile) {
    const auto tree = read_source_tree(path_ / "large");
    ASSERT_TRUE(tree);
    write_file(path_ / "large", random_bytes(random_, (std::size_t{5} << 20U) + 18));
    const auto car = car_export((*tree)->blocks(), {(*tree)->root().cid}, 1U << 30U);
    ASSERT_FALSE(car);
    EXPECT_EQ(car.error().code(), CommonError::conflict);
    EXPECT_THAT(car.error().message(), testing::HasSubstr((path_ / "large").string()));
}

TEST_F(SourceTreeTest, SaysWhatIsNotThere) {
    const auto tree = read_source_tree(path_ / "absent");
    ASSERT_FALSE(tree);
    EXPECT_EQ(tree.error().code(), CommonError::not_found);
}

}  // namespace
}  // namespace decloud::content
