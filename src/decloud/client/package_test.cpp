#include "package.hpp"

#include "error.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace decloud::client {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

PackageFile file(std::string path, std::string_view text, bool executable = false) {
    return {.path = std::move(path), .content = to_bytes(text), .executable = executable};
}

Project project_in(const fs::path& folder, std::vector<std::string> include = {}) {
    Project project;
    project.folder = folder;
    project.manifest.name = "p";
    project.manifest.entry = "run";
    project.include = std::move(include);
    return project;
}

std::vector<std::string> paths(const std::vector<PackageFile>& files) {
    std::vector<std::string> out;
    for (const PackageFile& entry : files) {
        out.push_back(entry.path);
    }
    return out;
}

TEST(Package, IsTheSameWhateverTheOrderAndTheTimeZone) {
    const Bytes first = make_zip({file("b", "2"), file("a/c", "1", true)}).value();
    setenv("TZ", "Pacific/Auckland", 1);
    tzset();
    const Bytes second = make_zip({file("a/c", "1", true), file("b", "2")}).value();
    setenv("TZ", "America/Los_Angeles", 1);
    tzset();
    const Bytes third = make_zip({file("a/c", "1", true), file("b", "2")}).value();
    unsetenv("TZ");
    tzset();
    EXPECT_EQ(first, second);
    EXPECT_EQ(first, third);
    EXPECT_NE(first, make_zip({file("b", "2"), file("a/c", "1", false)}).value());
    EXPECT_NE(first, make_zip({file("b", "3"), file("a/c", "1", true)}).value());
}

TEST(Package, KnowsWhatRunsItsEntryByItsFirstBytes) {
    const TemporaryFolder folder;
    const std::string tar = std::string(257, 'x') + "ustar";
    const std::vector<std::pair<std::string, std::string>> cases{
        {std::string("\0asm\1\0\0\0", 8), "wasm"},
        {"\x7f"
         "ELF\x02",
            "native"},
        {"#!/bin/sh\n", "native"}, {tar, "oci"}, {"\x1f\x8b\x08", "oci"}};
    for (const auto& [content, runtime] : cases) {
        folder.write("run", content);
        Project project = project_in(folder.path());
        project.manifest.runtime = kAutomaticRuntime;
        ASSERT_TRUE(settle_runtime(project)) << runtime;
        EXPECT_EQ(project.manifest.runtime, runtime);
    }
    for (const char* const content : {"", "print(1)",
             "\x7f"
             "EL"}) {
        folder.write("run", content);
        Project project = project_in(folder.path());
        project.manifest.runtime = kAutomaticRuntime;
        EXPECT_EQ(settle_runtime(project).error(), make_error_code(ClientError::usage)) << content;
    }
    folder.write("run", "print(1)");
    Project named = project_in(folder.path());
    named.manifest.runtime = "native";
    EXPECT_TRUE(settle_runtime(named));
}

TEST(Package, AModuleThatAsksForOtherMachinesIsRefusedAndAComponentIsNot) {
    const TemporaryFolder folder;
    for (const char* const runtime : {"wasm", "auto"}) {
        Project project = project_in(folder.path());
        project.manifest.egress = net::parse_host_rules({"example.com"}).value();
        project.manifest.runtime = runtime;
        Project component = project;
        folder.write("run", std::string("\0asm\1\0\0\0", 8));
        EXPECT_EQ(settle_runtime(project).error(), make_error_code(ClientError::usage));
        folder.write("run", std::string("\0asm\x0d\0\1\0", 8));
        EXPECT_TRUE(settle_runtime(component));
        EXPECT_EQ(component.manifest.runtime, "wasm");
    }
}

TEST(Package, IsTheSameWhateverTheFilesTimesAre) {
    const TemporaryFolder folder;
    folder.write("run", "program");
    const Bytes first = build_package(project_in(folder.path())).value();
    fs::last_write_time(
        folder.path() / "run", fs::file_time_type::clock::now() - std::chrono::hours(24 * 400));
    EXPECT_EQ(first, build_package(project_in(folder.path())).value());
}

TEST(Package, RefusesPathsThatCannotBe) {
    EXPECT_FALSE(make_zip({file("../a", "")}));
    EXPECT_FALSE(make_zip({file("/a", "")}));
    EXPECT_FALSE(make_zip({file("", "")}));
    EXPECT_FALSE(make_zip({file("a", "1"), file("a", "2")}));
}

TEST(Package, HoldsTheEntryAloneUnlessToldMore) {
    const TemporaryFolder folder;
    folder.write("run", "program");
    folder.write("data/one.txt", "1");
    folder.write("data/two.bin", "2");
    folder.write("secret.key", "no");
    EXPECT_THAT(paths(collect_files(project_in(folder.path())).value()), ElementsAre("run"));
    EXPECT_THAT(paths(collect_files(project_in(folder.path(), {"run", "data"})).value()),
        ElementsAre("data/one.txt", "data/two.bin", "run"));
    EXPECT_THAT(paths(collect_files(project_in(folder.path(), {"run", "data/*.txt"})).value()),
        ElementsAre("data/one.txt", "run"));
    EXPECT_FALSE(collect_files(project_in(folder.path(), {"run", "missing*"})));
    EXPECT_FALSE(collect_files(project_in(folder.path(), {"data"}))) << "lacks its entry";
}

TEST(Package, RefusesALinkOutOfTheProject) {
    const TemporaryFolder outside;
    outside.write("passwd", "secret");
    const TemporaryFolder folder;
    folder.write("run", "program");
    fs::create_symlink(outside.path() / "passwd", folder.path() / "link");
    const auto files = collect_files(project_in(folder.path(), {"run", "link"}));
    ASSERT_FALSE(files);
    EXPECT_TRUE(files.error() == make_error_code(ClientError::usage));
}

TEST(Package, ABuildThatFailsIsNamed) {
    const TemporaryFolder folder;
    Project project = project_in(folder.path());
    project.build = "exit 3";
    const auto built = run_build(project);
    ASSERT_FALSE(built);
    EXPECT_TRUE(built.error() == make_error_code(ClientError::command));
    EXPECT_THAT(built.error().detail(), testing::HasSubstr("status 3"));
}

}  // namespace
}  // namespace decloud::client
