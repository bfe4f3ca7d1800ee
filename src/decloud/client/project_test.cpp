#include "project.hpp"

#include "error.hpp"
#include "package.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace decloud::client {
namespace {

using testing::HasSubstr;

constexpr std::string_view kSmall = "name = \"a\"\nruntime = \"wasm\"\nentry = \"a.wasm\"\n";

std::string refusal(const std::string& more) {
    const auto project = parse_project(std::string(kSmall) + more, "p");
    return project ? "" : project.error().detail();
}

TEST(Project, ReadsEveryExample) {
    const char* source = std::getenv("DECLOUD_SOURCE_DIR");
    ASSERT_NE(source, nullptr);
    for (const std::string name : {"hello", "thumbnail", "markdown", "events"}) {
        const auto project = load_project(std::filesystem::path(source) / "examples" / name);
        ASSERT_TRUE(project) << project.error().message();
        EXPECT_EQ(project->manifest.name, name);
        EXPECT_EQ(project->price, Amount(1000));
    }
}

TEST(Project, ReadsHowAServerIsKept) {
    const std::string server = "name = \"a\"\nruntime = \"server\"\nentry = \"a\"\n";
    const auto plain = parse_project(server, "p");
    ASSERT_TRUE(plain) << plain.error().message();
    EXPECT_EQ(plain->manifest.server, protocol::FunctionServer());
    const auto project = parse_project(server + "[server]\nconcurrency = 80\nidle = \"5m\"\n", "p");
    ASSERT_TRUE(project) << project.error().message();
    EXPECT_EQ(project->manifest.server,
        (protocol::FunctionServer{.concurrency = 80, .idle = std::chrono::minutes(5)}));
    for (const char* wrong :
        {"concurrency = 0", "concurrency = 1001", "idle = \"0s\"", "other = 1"}) {
        EXPECT_FALSE(parse_project(server + "[server]\n" + wrong + "\n", "p")) << wrong;
    }
    EXPECT_THAT(refusal("[server]\nconcurrency = 2\n"), HasSubstr("server"));
}

TEST(Project, NamesTheHostsThatItReaches) {
    const auto project = parse_project(
        std::string(kSmall) + "egress = [\"API.example.com\", \"*.example.org:8443\"]\n", "p");
    ASSERT_TRUE(project) << project.error().message();
    EXPECT_THAT(net::to_texts(project->manifest.egress),
        testing::ElementsAre("api.example.com", "*.example.org:8443"));
    EXPECT_TRUE(parse_project(kSmall, "p")->manifest.egress.empty());
    EXPECT_THAT(refusal("egress = [\"10.0.0.1\"]\n"), HasSubstr("egress"));
    EXPECT_THAT(refusal("egress = \"a.example\"\n"), HasSubstr("egress"));
}

TEST(Project, ReadsLimitsEnvironmentAndTerms) {
    const auto project = parse_project(std::string(kSmall) + R"(
price = "0.25"
providers = ["alice.decloud"]
[limits]
wall = "1500ms"
memory = "64MiB"
processes = 4
request = "512"
[environment]
B = "2"
A = "1"
[ownerPays]
callers = ["0x0000000000000000000000000000000000000001"]
perCaller = 3
perDay = 5
total = 7
)",
        "p");
    ASSERT_TRUE(project) << project.error().message();
    EXPECT_EQ(project->manifest.limits.wall, std::chrono::milliseconds(1500));
    EXPECT_EQ(project->manifest.limits.memory_bytes, 64 * kMiB);
    EXPECT_EQ(project->manifest.limits.request_bytes, 512U);
    EXPECT_EQ(project->environment, (protocol::Variables{{"A", "1"}, {"B", "2"}}));
    EXPECT_EQ(project->owner_pays.callers, protocol::OwnerPays::Callers::list);
    EXPECT_EQ(project->owner_pays.per_caller, 3U);
    EXPECT_EQ(project->owner_pays.total, 7U);
    EXPECT_EQ(project->price, Amount(250'000));
}

TEST(Project, RefusesWhatItDoesNotKnowWithTheLine) {
    EXPECT_THAT(refusal("pirce = \"1\"\n"), HasSubstr("p/decloud.toml:4: unknown key \"pirce\""));
    EXPECT_THAT(refusal("[limits]\ncpu = 1\n"), HasSubstr("decloud.toml:5"));
    EXPECT_THAT(refusal("price = 1\n"), HasSubstr("decloud.toml:4"));
    EXPECT_THAT(refusal("price = \"1.2345678\"\n"), HasSubstr("price"));
    EXPECT_THAT(refusal("[limits]\nwall = \"5 s\"\n"), HasSubstr("wall"));
    EXPECT_THAT(refusal("[ownerPays]\ncallers = \"some\"\n"), HasSubstr("callers"));
}

TEST(Project, RefusesVariablesThatTheProviderSets) {
    for (const char* const name : {"REQUEST_METHOD", "HTTP_HOST", "DECLOUD_CID"}) {
        const auto project = parse_project(
            std::string(kSmall) + "[environment]\n" + name + " = \"x\"\n", "decloud.toml");
        ASSERT_FALSE(project) << name;
        EXPECT_THAT(project.error().detail(), testing::HasSubstr(name));
    }
}

TEST(Project, RefusesPathsThatLeaveIt) {
    EXPECT_THAT(refusal("root = \"../x\"\n"), HasSubstr("root"));
    EXPECT_THAT(refusal("root = \"/etc\"\n"), HasSubstr("root"));
    EXPECT_THAT(refusal("include = [\"a\", \"../../etc/passwd\"]\n"), HasSubstr("include"));
    EXPECT_FALSE(parse_project("name=\"a\"\nruntime=\"wasm\"\nentry=\"../a\"\n", "p"));
}

TEST(Project, NeedsNameAndEntryAndKnowsItsRuntimes) {
    EXPECT_FALSE(parse_project("runtime=\"wasm\"\nentry=\"a\"\n", "p"));
    EXPECT_FALSE(parse_project("name=\"a\"\nruntime=\"wasm\"\n", "p"));
    const auto automatic = parse_project("name=\"a\"\nentry=\"a\"\n", "p");
    ASSERT_TRUE(automatic);
    EXPECT_EQ(automatic->manifest.runtime, kAutomaticRuntime);
    EXPECT_FALSE(parse_project("name=\"a\"\nruntime=\"cobol\"\nentry=\"a\"\n", "p"));
    EXPECT_FALSE(parse_project("name=\"A b\"\nruntime=\"wasm\"\nentry=\"a\"\n", "p"));
}

TEST(Project, ANewOneIsReadAndBuilt) {
    const TemporaryFolder folder;
    const auto target = folder.path() / "fresh";
    ASSERT_TRUE(create_project(target, "fresh", "c"));
    const auto project = load_project(target);
    ASSERT_TRUE(project) << project.error().message();
    const auto package = build_package(*project);
    ASSERT_TRUE(package) << package.error().message();
    EXPECT_GT(package->size(), 1000U);
    EXPECT_FALSE(create_project(target, "fresh", "c"));
}

}  // namespace
}  // namespace decloud::client
