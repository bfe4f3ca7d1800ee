#include "package.hpp"

#include "../testing/fixture.hpp"

namespace decloud::sandbox::internal {

namespace {

using sandbox::testing::make_zip;
using sandbox::testing::ZipEntry;

Result<void> read(const Bytes& zip, const PackageLimits& limits = {}) {
    return read_package(zip, limits,
        {.begin = [](const PackageEntry&) -> Result<bool> { return true; },
            .data = [](BytesView) -> Result<void> { return {}; },
            .end = []() -> Result<void> { return {}; }});
}

CommonError code_of(const Result<void>& result) {
    return result ? CommonError{} : static_cast<CommonError>(result.error().code().value());
}

TEST(Package, GivesItsFiles) {
    const Bytes zip = make_zip({{.path = "bin/tool", .content = "code", .mode = 0100755},
        {.path = "docs/", .content = "", .mode = 040755}, {.path = "größe.txt", .content = "g"}});
    const auto tool = read_package_file(zip, {}, "bin/tool");
    ASSERT_TRUE(tool) << tool.error().message();
    EXPECT_EQ(as_text(*tool), "code");
    EXPECT_TRUE(read_package_file(zip, {}, "größe.txt"));
    EXPECT_FALSE(read_package_file(zip, {}, "docs"));
    EXPECT_FALSE(read_package_file(zip, {}, "bin"));
}

TEST(Package, TellsWhatIsExecutable) {
    const Bytes zip = make_zip(
        {{.path = "run", .content = "x", .mode = 0100755}, {.path = "read", .content = "y"}});
    std::vector<std::string> executable;
    ASSERT_TRUE(read_package(zip, {},
        {.begin = [&](const PackageEntry& entry) -> Result<bool> {
             if (entry.executable) {
                 executable.push_back(entry.path);
             }
             return false;
         },
            .data = {},
            .end = {}}));
    EXPECT_THAT(executable, ::testing::ElementsAre("run"));
}

TEST(Package, RefusesPathsThatLeaveOrConfuse) {
    for (const char* path : {"../a", "a/../b", "/a", "a//b", "./a", "a/./b", "a\\b", "a\x01", "..",
             "a/..", "\xff\xfe", "\xc0\xae\xc0\xae/a", "a\x7f"}) {
        EXPECT_FALSE(is_package_path(path, {})) << path;
    }
    EXPECT_FALSE(is_package_path(std::string(600, 'a'), {}));
    EXPECT_FALSE(is_package_path("", {}));
    std::string deep = "a";
    for (int i = 0; i < 40; ++i) {
        deep += "/a";
    }
    EXPECT_FALSE(is_package_path(deep, {}));
    for (const char* path : {"a", "a/b.c", ".hidden", "...", "a b", "größe"}) {
        EXPECT_TRUE(is_package_path(path, {})) << path;
    }
    EXPECT_EQ(
        code_of(read(make_zip({{.path = "../a", .content = "x"}}))), CommonError::invalid_input);
}

TEST(Package, RefusesLinksAndDevices) {
    EXPECT_EQ(code_of(read(make_zip(
                  {{.path = "l", .content = "", .mode = 0120777, .link = "/etc/passwd"}}))),
        CommonError::invalid_input);
    // Writers refuse to make one with a device: the mode in the central directory becomes one.
    Bytes device = make_zip({{.path = "p", .content = "x"}});
    const std::string_view mark("PK\x01\x02", 4);
    const std::size_t central = as_text(device).find(mark);
    ASSERT_NE(central, std::string_view::npos);
    device[central + 40] = 0xA4;
    device[central + 41] = 0x21;
    EXPECT_EQ(code_of(read(device)), CommonError::invalid_input);
}

TEST(Package, RefusesNamesUsedTwice) {
    const std::vector<std::vector<ZipEntry>> packages{
        {{.path = "a", .content = "1"}, {.path = "a", .content = "2"}},
        {{.path = "a", .content = "1"}, {.path = "A", .content = "2"}},
        {{.path = "Dir/x", .content = "1"}, {.path = "dir/y", .content = "2"}},
        {{.path = "a", .content = "1"}, {.path = "a/b", .content = "2"}},
        {{.path = "a/b", .content = "1"}, {.path = "a", .content = "2"}},
    };
    for (const auto& entries : packages) {
        EXPECT_EQ(code_of(read(make_zip(entries))), CommonError::invalid_input);
    }
}

TEST(Package, RefusesWhatIsTooMuch) {
    const Bytes bomb = make_zip({{.path = "bomb", .content = std::string(8 * kMiB, '\0')}});
    EXPECT_EQ(code_of(read(bomb, {.total_bytes = kMiB})), CommonError::limit_exceeded);
    EXPECT_EQ(code_of(read(bomb, {.ratio = 100})), CommonError::limit_exceeded);
    std::vector<ZipEntry> many;
    for (int i = 0; i < 20; ++i) {
        many.push_back({.path = std::to_string(i), .content = ""});
    }
    EXPECT_EQ(code_of(read(make_zip(many), {.entries = 10})), CommonError::limit_exceeded);
}

TEST(Package, RefusesDamagedFiles) {
    std::string content;
    for (std::uint32_t i = 1; content.size() < 5000; i = i * 1664525 + 1013904223) {
        content += static_cast<char>(i >> 24);
    }
    const Bytes zip = make_zip({{.path = "a", .content = content}});
    EXPECT_FALSE(read(to_bytes("no zip at all")));
    EXPECT_FALSE(read(Bytes{}));
    EXPECT_FALSE(read(Bytes(zip.begin(), zip.begin() + static_cast<long>(zip.size() / 2))));
    Bytes flipped = zip;
    flipped[1000] ^= 0x55;
    EXPECT_FALSE(read(flipped));
}

}  // namespace

}  // namespace decloud::sandbox::internal
