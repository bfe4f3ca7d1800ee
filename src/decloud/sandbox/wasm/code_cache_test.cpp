#include "code_cache.hpp"

#include "../internal/one_shot.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <fstream>

namespace decloud::sandbox::wasm {

namespace {

class CodeCacheTest : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(cache(1).open()); }

    CodeCache cache(std::uint8_t key) const {
        std::array<std::uint8_t, 32> mac_key{};
        mac_key.fill(key);
        return {folder_.path(), mac_key};
    }
    void store(const std::string& name, std::string_view code) const {
        const auto memory = internal::make_sealed_memory(as_bytes(code));
        ASSERT_TRUE(memory);
        ASSERT_TRUE(cache(1).store(name, memory->get()));
    }
    std::filesystem::path file(const std::string& name) const {
        return folder_.path() / (name + ".code");
    }

    TemporaryFolder folder_;
};

TEST_F(CodeCacheTest, GivesBackWhatWasStored) {
    store("name", "compiled");
    EXPECT_TRUE(cache(1).contains("name"));
    const auto code = cache(1).load("name");
    ASSERT_TRUE(code) << code.error().message();
    const auto mapped = internal::MappedFile::open(code->get());
    ASSERT_TRUE(mapped);
    EXPECT_EQ(as_text(mapped->view()), "compiled");
    // Sealed: nobody can change it after it was checked.
    EXPECT_LT(::write(code->get(), "x", 1), 0);
}

TEST_F(CodeCacheTest, RefusesEveryChangedByteAndRemovesTheFile) {
    for (const std::size_t position : {0U, 31U, 32U, 39U}) {
        store("name", "compiled");
        std::fstream stream(file("name"), std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(static_cast<std::streamoff>(position));
        const auto before = static_cast<char>(stream.peek());
        stream.put(static_cast<char>(before ^ 1));
        stream.close();
        const auto code = cache(1).load("name");
        ASSERT_FALSE(code);
        EXPECT_EQ(code.error(), make_error_code(CommonError::corrupt));
        EXPECT_FALSE(cache(1).contains("name"));
    }
}

TEST_F(CodeCacheTest, RefusesTruncatedFilesAndOtherNames) {
    store("name", "compiled");
    std::filesystem::copy_file(file("name"), file("other"));
    EXPECT_FALSE(cache(1).load("other"));
    std::filesystem::resize_file(file("name"), 36);
    EXPECT_FALSE(cache(1).load("name"));
    store("name", "compiled");
    std::filesystem::resize_file(file("name"), 10);
    EXPECT_FALSE(cache(1).load("name"));
}

TEST_F(CodeCacheTest, RefusesWhatAnotherKeyMade) {
    store("name", "compiled");
    EXPECT_FALSE(cache(2).load("name"));
}

TEST_F(CodeCacheTest, NamesDifferByProgramAndEntry) {
    EXPECT_NE(CodeCache::name_of("a", "b"), CodeCache::name_of("a", "c"));
    EXPECT_NE(CodeCache::name_of("a", "b"), CodeCache::name_of("d", "b"));
    EXPECT_EQ(CodeCache::name_of("a", "b"), CodeCache::name_of("a", "b"));
}

}  // namespace

}  // namespace decloud::sandbox::wasm
