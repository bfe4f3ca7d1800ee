#include "layer_writer.hpp"

#include "testing.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>

namespace decloud::sandbox::oci {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Layers : public ::testing::Test {
  protected:
    void SetUp() override {
        fs::create_directory(root_);
        std::ofstream(outside_) << "precious";
        open({});
    }

    void open(ImageLimits limits) {
        fs::remove_all(root_);
        fs::create_directory(root_);
        auto writer = LayerWriter::open(
            internal::UniqueFd(::open(root_.c_str(), O_RDONLY | O_DIRECTORY)), limits);
        ASSERT_TRUE(writer) << writer.error().message();
        writer_ = std::make_unique<LayerWriter>(std::move(*writer));
    }
    /// The problem, or nothing.
    std::string add(const std::vector<TarItem>& items, bool gzip = false) {
        const Bytes tar = make_tar(items, gzip);
        MemorySource source(tar);
        const auto added = writer_->add_layer(source);
        return added ? "" : added.error().detail();
    }
    std::string read(const std::string& path) {
        std::ifstream file(root_ / path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    bool exists(const std::string& path) { return fs::exists(fs::symlink_status(root_ / path)); }
    void expect_untouched() {
        std::ifstream file(outside_);
        EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "precious");
        std::set<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder_.path())) {
            names.insert(entry.path().filename());
        }
        EXPECT_EQ(names, (std::set<std::string>{"root", "outside"}));
    }

    TemporaryFolder folder_;
    fs::path root_ = folder_.path() / "root";
    fs::path outside_ = folder_.path() / "outside";
    std::unique_ptr<LayerWriter> writer_;
};

TEST_F(Layers, LieOneOverTheOther) {
    EXPECT_EQ(add({{"./", "", kFolderMode}, {"bin", "", kFolderMode}, {"bin/a", "one", 0100755},
                  {"etc/kept", "old"}, {"etc/changed", "old"}, {"etc/gone", "old"},
                  {"deep/in/side", "x"}}),
        "");
    EXPECT_EQ(
        add({{"etc/changed", "new"}, {"etc/.wh.gone"}, {".wh.deep"}, {"bin/b", "two"}}, true), "");
    EXPECT_EQ(read("bin/a") + read("bin/b"), "onetwo");
    EXPECT_EQ(read("etc/kept") + read("etc/changed"), "oldnew");
    EXPECT_FALSE(exists("etc/gone"));
    EXPECT_FALSE(exists("etc/.wh.gone"));
    EXPECT_FALSE(exists("deep"));
    struct stat about{};
    ASSERT_EQ(::stat((root_ / "bin/a").c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777, 0555U);
}

TEST_F(Layers, AnOpaqueFolderHidesWhatWasBelowButNotItsOwn) {
    EXPECT_EQ(add({{"d/below", "x"}, {"d/e/below", "x"}}), "");
    EXPECT_EQ(add({{"d/first", "1"}, {"d/e/mine", "2"}, {"d/.wh..wh..opq"}, {"d/last", "3"}}), "");
    EXPECT_EQ(read("d/first") + read("d/e/mine") + read("d/last"), "123");
    EXPECT_FALSE(exists("d/below"));
    EXPECT_FALSE(exists("d/e/below"));
}

TEST_F(Layers, AFileTakesThePlaceOfAFolderAndBack) {
    EXPECT_EQ(add({{"a/b/c", "x"}, {"f", "x"}}), "");
    EXPECT_EQ(add({{"a", "file"}, {"f", "", kFolderMode}, {"f/g", "y"}}), "");
    EXPECT_EQ(read("a") + read("f/g"), "filey");
}

TEST_F(Layers, LinksWorkAsTheProgramWillSeeThem) {
    EXPECT_EQ(add({{"usr/lib/x", "lib"}, {"lib", "", 0120777, "usr/lib"},
                  {"abs", "", 0120777, "/usr/lib"}, {"up", "", 0120777, "../../../usr/lib"}}),
        "");
    EXPECT_EQ(add({{"lib/y", "1"}, {"abs/z", "2"}, {"up/w", "3"},
                  {"same", "", 0100644, "", "usr/lib/x"}}),
        "");
    EXPECT_EQ(read("usr/lib/y") + read("usr/lib/z") + read("usr/lib/w") + read("same"), "123lib");
    expect_untouched();
}

TEST_F(Layers, NoPathLeavesTheFolder) {
    EXPECT_THAT(add({{"../outside", "gone"}}), HasSubstr("'..'"));
    EXPECT_THAT(add({{"a/../../outside", "gone"}}), HasSubstr("'..'"));
    EXPECT_EQ(add({{"/etc//./outside", "inside"}}), "");
    EXPECT_EQ(read("etc/outside"), "inside");
    expect_untouched();
}

TEST_F(Layers, NothingIsWrittenThroughALink) {
    const std::string host = folder_.path().string();
    EXPECT_EQ(add({{"x", "", 0120777, host}, {"x/outside", "inside"},
                  {"f", "", 0120777, host + "/outside"}, {"f", "a file"},
                  {"up", "", 0120777, "../.."}, {"up/outside", "inside"}}),
        "");
    EXPECT_EQ(read("f"), "a file");
    EXPECT_EQ(read("outside"), "inside");
    EXPECT_EQ(add({{"x/.wh.outside"}, {"up/.wh.outside"}, {"up/.wh..wh..opq"}}), "");
    EXPECT_FALSE(exists("outside"));
    EXPECT_FALSE(exists("f"));
    expect_untouched();
}

TEST_F(Layers, HardLinksLeadToFilesOfTheImageOnly) {
    EXPECT_THAT(add({{"h", "", 0100644, "", "../outside"}}), HasSubstr("'..'"));
    EXPECT_THAT(add({{"h", "", 0100644, "", outside_.string()}}), HasSubstr("image"));
    EXPECT_EQ(add({{"x", "", 0120777, folder_.path().string()}}), "");
    EXPECT_THAT(add({{"h", "", 0100644, "", "x/outside"}}), HasSubstr("image"));
    EXPECT_EQ(add({{"d", "", kFolderMode}}), "");
    EXPECT_THAT(add({{"h", "", 0100644, "", "d"}}), HasSubstr("no file"));
    expect_untouched();
}

TEST_F(Layers, TheSandboxsOwnFoldersStayFoldersAndEmpty) {
    EXPECT_EQ(add({{"dev", "", 0120777, "/etc"}, {"proc", "a file"}, {"tmp/x", "x"}, {".wh.tmp"},
                  {"dev/console", "", 0020600}, {".wh..wh..opq"}, {"self", "", 0120777, "."},
                  {"self/tmp", "a file"}, {"self/dev/x", "x"}, {"self/.wh.proc"},
                  {"into", "", 0120777, "tmp"}, {"into/x", "x"}}),
        "");
    for (const char* name : {"dev", "proc", "tmp"}) {
        EXPECT_TRUE(fs::is_directory(fs::symlink_status(root_ / name))) << name;
        EXPECT_TRUE(fs::is_empty(root_ / name)) << name;
    }
}

TEST_F(Layers, DevicesAndPipesAreRefused) {
    EXPECT_THAT(add({{"a/mem", "", 0020666}}), HasSubstr("device"));
    EXPECT_THAT(add({{"a/disk", "", 0060666}}), HasSubstr("device"));
    EXPECT_THAT(add({{"a/pipe", "", 0010666}}), HasSubstr("device"));
}

TEST_F(Layers, BombsEndAtTheLimits) {
    open({.total_bytes = 100'000, .entries = 20, .path_bytes = 200, .path_depth = 8});
    const std::string zeros(60'000, '\0');
    EXPECT_THAT(add({{"a", zeros}, {"a", zeros}}, true), HasSubstr("more than 100000 bytes"));
    open({.total_bytes = 100'000, .entries = 20, .path_bytes = 200, .path_depth = 8});
    EXPECT_THAT(add(std::vector<TarItem>(21, TarItem{"a"})), HasSubstr("more than 20 files"));
    open({.total_bytes = 100'000, .entries = 20, .path_bytes = 200, .path_depth = 8});
    EXPECT_THAT(add({{"a/1/2/3/4/5/x"}, {"b/1/2/3/4/5/x"}, {"c/1/2/3/4/5/x"}}),
        HasSubstr("more than 20 files"));
    open({.total_bytes = 100'000, .entries = 20, .path_bytes = 200, .path_depth = 8});
    EXPECT_THAT(add({{"1/2/3/4/5/6/7/8/9", "x"}}), HasSubstr("deep"));
    EXPECT_THAT(add({{std::string(201, 'x')}}), HasSubstr("too long"));
}

TEST_F(Layers, LinksThatGoRoundInACircleAreRefused) {
    EXPECT_THAT(
        add({{"a", "", 0120777, "b"}, {"b", "", 0120777, "a"}, {"a/x", "x"}}), HasSubstr("circle"));
    EXPECT_THAT(add({{"self", "", 0120777, "self/self"}, {"self/x", "x"}}), HasSubstr("circle"));
}

TEST_F(Layers, GarbageIsRefused) {
    const Bytes garbage(2000, 'x');
    MemorySource source(garbage);
    EXPECT_FALSE(writer_->add_layer(source));
    const Bytes tar = make_tar({{"a", std::string(5000, 'x')}});
    MemorySource cut(BytesView(tar).first(3000));
    EXPECT_FALSE(writer_->add_layer(cut));
}

TEST_F(Layers, FilesAreReadWithoutLeavingTheImage) {
    EXPECT_EQ(add({{"etc/passwd", "root:x:0:0\n"}, {"x", "", 0120777, outside_.string()}}), "");
    EXPECT_EQ(writer_->read_file("etc/passwd", 100).value_or("?"), "root:x:0:0\n");
    EXPECT_EQ(writer_->read_file("x", 100).value_or("?"), "");
    EXPECT_EQ(writer_->read_file("none/there", 100).value_or("?"), "");
    EXPECT_FALSE(writer_->read_file("etc/passwd", 5));
}

}  // namespace
}  // namespace decloud::sandbox::oci
