#include "image.hpp"

#include "image_worker.hpp"
#include "testing.hpp"

#include <gmock/gmock.h>

namespace decloud::sandbox::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string problem(const auto& result) { return result ? "" : result.error().detail(); }

TEST(ImageConfig, HasEntrypointCommandEnvironmentFolderAndUser) {
    const auto config = parse_image_config(
        R"({"architecture":"amd64","config":{"Entrypoint":["/bin/sh","-c"],"Cmd":["echo"],)"
        R"("Env":["PATH=/bin","EMPTY=","E=a=b"],"WorkingDir":"/srv","User":"www:www"}})");
    ASSERT_TRUE(config) << problem(config);
    EXPECT_THAT(config->arguments, ElementsAre("/bin/sh", "-c", "echo"));
    EXPECT_THAT(config->environment,
        ElementsAre(Pair("PATH", "/bin"), Pair("EMPTY", ""), Pair("E", "a=b")));
    EXPECT_EQ(config->folder, "/srv");
    EXPECT_EQ(config->user, "www:www");
    const auto small = parse_image_config(R"({"config":{"Entrypoint":null,"Cmd":["a"]}})");
    ASSERT_TRUE(small) << problem(small);
    EXPECT_EQ(small->folder, "/");
}

TEST(ImageConfig, IsRefusedIfItMakesNoSense) {
    for (const char* text : {"", "[]", "{}", R"({"config":{}})", R"({"config":{"Cmd":[]}})",
             R"({"config":{"Cmd":[""]}})", R"({"config":{"Cmd":"a"}})", R"({"config":{"Cmd":[1]}})",
             R"({"config":{"Cmd":["a\u0000b"]}})", R"({"config":{"Cmd":["a"],"Env":["=x"]}})",
             R"({"config":{"Cmd":["a"],"Env":["x"]}})",
             R"({"config":{"Cmd":["a"],"WorkingDir":"a"}})",
             R"({"config":{"Cmd":["a"],"User":7}})"}) {
        EXPECT_FALSE(parse_image_config(text)) << text;
    }
}

TEST(ImageConfig, HasACommandThatFitsIntoAMessage) {
    const auto of = [](std::size_t command, std::size_t folder) {
        return problem(
            parse_image_config(R"({"config":{"Cmd":["/a",")" + std::string(command, 'x') +
                               R"("],"WorkingDir":"/)" + std::string(folder, 'x') + R"("}})"));
    };
    EXPECT_EQ(of(40'000, 9'000), "");
    EXPECT_THAT(of(40'000, 10'000), HasSubstr("its command is too long"));
    EXPECT_THAT(of(300'000, 0), HasSubstr("its command is too long"));
    ImageStart start;
    start.config.arguments.assign(30'000, "x");
    EXPECT_THAT(problem(parse_image_start(to_text(start))), HasSubstr("too long"));
    start.config.arguments.resize(20'000);
    EXPECT_EQ(problem(parse_image_start(to_text(start))), "");
}

TEST(ImageParts, OfDockerSaveFollowItsLinks) {
    ImageIndex index;
    index.files["manifest.json"] =
        R"([{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}])";
    index.links["b/layer.tar"] = "../a/layer.tar";
    const auto parts = find_image_parts(index, {});
    ASSERT_TRUE(parts) << problem(parts);
    EXPECT_EQ(parts->config, "c.json");
    EXPECT_THAT(parts->layers, ElementsAre("a/layer.tar", "a/layer.tar"));
}

TEST(ImageParts, OfALayoutAreThoseOfThisMachine) {
    ImageIndex index;
#if defined(__x86_64__)
    const std::string here = "amd64";
#else
    const std::string here = "arm64";
#endif
    index.files["index.json"] =
        R"({"manifests":[{"digest":"sha256:aa","platform":{"os":"linux","architecture":"s390x"}},)"
        R"({"digest":"sha256:bb","platform":{"os":"linux","architecture":")" +
        here + R"("}}]})";
    index.files["blobs/sha256/bb"] = R"({"manifests":[{"digest":"sha256:cc"}]})";
    index.files["blobs/sha256/cc"] =
        R"({"config":{"digest":"sha256:dd"},"layers":[{"digest":"sha256:ee"}]})";
    const auto parts = find_image_parts(index, {});
    ASSERT_TRUE(parts) << problem(parts);
    EXPECT_EQ(parts->config, "blobs/sha256/dd");
    EXPECT_THAT(parts->layers, ElementsAre("blobs/sha256/ee"));
}

TEST(ImageParts, AreRefusedIfTheyMakeNoSense) {
    const auto of = [](const std::string& name, const std::string& text) {
        ImageIndex index;
        index.files[name] = text;
        return problem(find_image_parts(index, {.layers = 2}));
    };
    EXPECT_THAT(of("other", ""), HasSubstr("neither"));
    EXPECT_NE(of("manifest.json", "[]"), "");
    EXPECT_NE(of("manifest.json", "[1]"), "");
    EXPECT_NE(of("manifest.json", R"([{"Layers":[]}])"), "");
    EXPECT_THAT(of("manifest.json", R"([{"Config":"c","Layers":["a","a","a"]}])"),
        HasSubstr("more than 2"));
    EXPECT_NE(of("index.json", "{}"), "");
    EXPECT_THAT(of("index.json", R"({"manifests":[]})"), HasSubstr("linux"));
    EXPECT_THAT(of("index.json", R"({"manifests":[{"digest":"../../x"}]})"), HasSubstr("digest"));
    EXPECT_THAT(
        of("index.json", R"({"manifests":[{"digest":"sha256:aa"}]})"), HasSubstr("no file"));
    ImageIndex circle;
    circle.files["index.json"] = circle.files["blobs/a/b"] = R"({"manifests":[{"digest":"a:b"}]})";
    EXPECT_THAT(problem(find_image_parts(circle, {})), HasSubstr("too deep"));
}

TEST(ImageArchive, FindsItsPartsInATarFile) {
    const Bytes tar = make_tar({{"./index.json", "{}"},
        {"blobs/sha256/aa", std::string(2'000'000, 'x')}, {"link", "", 0120777, "index.json"}});
    const ImageArchive archive(tar, "");
    const auto index = archive.index();
    ASSERT_TRUE(index) << problem(index);
    EXPECT_THAT(index->files, ElementsAre(Pair("index.json", "{}")));
    EXPECT_THAT(index->links, ElementsAre(Pair("link", "index.json")));
    std::size_t size = 0;
    EXPECT_TRUE(archive.read_file("blobs/sha256/aa", [&size](ByteSource& source) -> Result<void> {
        while (true) {
            TRY(const BytesView bytes, source.next_bytes());
            if (bytes.empty()) {
                return {};
            }
            size += bytes.size();
        }
    }));
    EXPECT_EQ(size, 2'000'000U);
    EXPECT_FALSE(archive.read_file("nothing", [](ByteSource&) { return Result<void>(); }));
}

TEST(ImageUser, IsANumberOrStandsInItsTables) {
    const std::string passwd =
        "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34::/:/bin/false\nbad:x:no:1::/:\n";
    const std::string group = "root:x:0:\nstaff:x:50:www\n";
    const auto of = [&](const char* wanted) { return find_user(wanted, passwd, group); };
    EXPECT_EQ(of("").value_or(ImageUser{9, 9}), (ImageUser{0, 0}));
    EXPECT_EQ(of("www").value_or(ImageUser{}), (ImageUser{33, 34}));
    EXPECT_EQ(of("33").value_or(ImageUser{}), (ImageUser{33, 34}));
    EXPECT_EQ(of("1000").value_or(ImageUser{}), (ImageUser{1000, 0}));
    EXPECT_EQ(of("www:staff").value_or(ImageUser{}), (ImageUser{33, 50}));
    EXPECT_EQ(of("1000:7").value_or(ImageUser{}), (ImageUser{1000, 7}));
    for (const char* wanted : {"nobody", "bad", "www:none", "65536", "-1", "1:70000"}) {
        EXPECT_FALSE(of(wanted)) << wanted;
    }
}

TEST(ImageStart, SurvivesTheDisk) {
    const ImageStart start{.config = {.arguments = {"a", "b c"},
                               .environment = {{"K", "v\n"}},
                               .folder = "/x",
                               .user = ""},
        .user = {1, 2}};
    const auto back = parse_image_start(to_text(start));
    ASSERT_TRUE(back) << problem(back);
    EXPECT_EQ(*back, start);
    EXPECT_FALSE(parse_image_start("{}"));
    EXPECT_FALSE(
        parse_image_start(R"({"arguments":[],"environment":[],"folder":"/","user":0,"group":0})"));
}

}  // namespace
}  // namespace decloud::sandbox::oci
