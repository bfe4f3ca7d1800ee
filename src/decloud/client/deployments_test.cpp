#include "deployments.hpp"

#include "error.hpp"
#include "secrets.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/store/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::client {
namespace {

DeployedVersion version(std::string cid) {
    return {.cid = std::move(cid),
        .created = {1000},
        .providers = {"alice.decloud"},
        .is_public = false,
        .owner = {},
        .spec_hash = {},
        .max_price = Amount(1000),
        .fingerprint = "f",
        .revoked = false};
}

TEST(Deployments, AreReadBackAsTheyWereSaved) {
    const TemporaryFolder folder;
    const auto file = folder.path() / "deployments.json";
    Deployments deployments = Deployments::load(file).value();
    deployments.add("hello", version("one"));
    deployments.add("hello", version("two"));
    ASSERT_TRUE(deployments.save(file));
    const Deployments read = Deployments::load(file).value();
    EXPECT_EQ(read.functions().at("hello").versions, deployments.functions().at("hello").versions);
    EXPECT_EQ(read.functions().at("hello").current, "two");
    EXPECT_EQ(std::filesystem::status(file).permissions(),
        std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(Deployments, ANameIsItsCurrentVersionAndACidItself) {
    Deployments deployments;
    deployments.add("hello", version("one"));
    deployments.add("hello", version("two"));
    EXPECT_EQ(deployments.resolve("hello")->version.cid, "two");
    EXPECT_EQ(deployments.resolve("one")->version.cid, "one");
    EXPECT_EQ(deployments.resolve("one")->name, "hello");
    EXPECT_TRUE(deployments.resolve("none").error() == make_error_code(ClientError::not_found));
}

TEST(Deployments, VersionsOfANameAreNeverOfTheSameSecond) {
    Deployments deployments;
    EXPECT_EQ(deployments.next_creation("hello", {1000}).value, 1000U);
    deployments.add("hello", version("one"));
    EXPECT_EQ(deployments.next_creation("hello", {1000}).value, 1001U);
    EXPECT_EQ(deployments.next_creation("hello", {2000}).value, 2000U);
    EXPECT_EQ(deployments.next_creation("other", {1000}).value, 1000U);
}

TEST(Deployments, RefuseDamagedAndNewerFilesByName) {
    const TemporaryFolder folder;
    const auto file = folder.path() / "deployments.json";
    folder.write("deployments.json", "{\"format\":1,\"functions\":{\"a\":3}}");
    const auto damaged = Deployments::load(file);
    ASSERT_FALSE(damaged);
    EXPECT_TRUE(damaged.error() == make_error_code(CommonError::corrupt));
    EXPECT_THAT(damaged.error().detail(), testing::HasSubstr("deployments.json"));
    folder.write("deployments.json", "{\"format\":9}");
    EXPECT_TRUE(Deployments::load(file).error() == make_error_code(StoreError::newer_format));
}

TEST(Secrets, AreKeptAndNeverNamedInErrors) {
    const TemporaryFolder folder;
    Secrets secrets = Secrets::load(folder.path(), "hello").value();
    ASSERT_TRUE(secrets.set("TOKEN", "s3cr3t"));
    ASSERT_TRUE(secrets.save());
    EXPECT_THAT(Secrets::load(folder.path(), "hello")->names(), testing::ElementsAre("TOKEN"));
    EXPECT_EQ(std::filesystem::status(folder.path() / "hello.json").permissions(),
        std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    const auto refused = secrets.set("TOKEN", std::string("s3cr3t\0", 7));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), testing::Not(testing::HasSubstr("s3cr3t")));
    EXPECT_FALSE(secrets.set("1TOKEN", "x"));
    EXPECT_FALSE(Secrets::load(folder.path(), "../x"));
}

}  // namespace
}  // namespace decloud::client
