#include "names.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

using multiformats::IpnsName;

constexpr UnixSeconds kNow{1'700'000'000};

/// "…_v2.ipns-record" of the gateway conformance suite: V2 only, valid for a century, of
/// /ipfs/bafkqadtwgiww63tmpeqhezldn5zgi.
constexpr std::string_view kName = "k51qzi5uqu5dit2ku9mutlfgwyz8u730on38kd10m97m36bjt66my99hb6103f";
constexpr std::string_view kRecord =
    "42406a7698585e2b170709d4947e148b18b120d76db43515edacf290df96b71e29c0ca5a16510256814f825553"
    "2ec4549ade26f4ca8335f4c41e2cfffeb1ba0aa5014a78a56354544c1b000001a3185c50006556616c75655824"
    "2f697066732f6261666b7161647477676977773633746d70657168657a6c646e357a67696853657175656e6365"
    "006856616c6964697479581b323132332d30382d31345431323a31373a30332e3639343035325a6c56616c6964"
    "6974795479706500";

class NamesTest : public ::testing::Test {
  protected:
    TemporaryFolder folder_;
    std::unique_ptr<IpnsRecords> records_ = IpnsRecords::open(folder_.path() / "ipns").value();
    IpnsName name_ = IpnsName::parse(kName).value();
    Bytes record_ = from_hex(kRecord).value();
};

TEST_F(NamesTest, TakesRecordsOfStrangersOnlyForNamesThatItKeeps) {
    EXPECT_EQ(records_->replace(name_, record_, kNow).error().code(), CommonError::not_found);
    EXPECT_FALSE(records_->find(name_, kNow).value());
    ASSERT_TRUE(records_->put(name_, record_, kNow));
    EXPECT_TRUE(records_->replace(name_, record_, kNow));
    Bytes tampered = record_;
    tampered[10] ^= 1;
    EXPECT_EQ(
        records_->replace(name_, tampered, kNow).error().code(), CommonError::permission_denied);
    EXPECT_EQ(records_->find(name_, kNow).value()->bytes, record_);
}

TEST_F(NamesTest, FollowsARecordThatWasGiven) {
    ASSERT_TRUE(records_->put(name_, record_, kNow));
    const auto target = resolve_name(std::string(kName), {*records_, {}}, kNow);
    ASSERT_TRUE(target) << target.error().detail;
    EXPECT_EQ(target->root.to_string(), "bafkqadtwgiww63tmpeqhezldn5zgi");
    EXPECT_EQ(target->max_age, 1800U);
}

TEST_F(NamesTest, KeepsARecordOverARestart) {
    ASSERT_TRUE(records_->put(name_, record_, kNow));
    records_ = IpnsRecords::open(folder_.path() / "ipns").value();
    const auto held = records_->find(name_, kNow).value_or(std::nullopt);
    ASSERT_TRUE(held);
    EXPECT_EQ(held ? held->bytes : Bytes{}, record_);
}

TEST_F(NamesTest, TakesNoRecordThatIsWrongOrHasEnded) {
    Bytes changed = record_;
    changed.back() ^= 1U;
    EXPECT_FALSE(records_->put(name_, changed, kNow));
    EXPECT_FALSE(records_->put(name_, record_, UnixSeconds{99'000'000'000}));
    EXPECT_EQ(resolve_name(std::string(kName), {*records_, {}}, kNow).error().status, 502);
}

TEST_F(NamesTest, FollowsLinksOverNames) {
    ASSERT_TRUE(records_->put(name_, record_, kNow));
    const KnownLinks links = KnownLinks::parse("a.example:/ipns/b.example/x,b.example:/ipns/" +
                                               std::string(kName) + "/y,nothing,c.example:x");
    const auto target = resolve_name("a.example", {*records_, links}, kNow);
    ASSERT_TRUE(target) << target.error().detail;
    EXPECT_EQ(target->segments, (std::vector<std::string>{"y", "x"}));
    EXPECT_EQ(target->max_age, 60U);
    EXPECT_EQ(resolve_name("c.example", {*records_, links}, kNow).error().status, 502);
    EXPECT_EQ(resolve_name("nothing", {*records_, links}, kNow).error().status, 400);
}

TEST_F(NamesTest, EndsWhereNamesGoInACircle) {
    const KnownLinks links =
        KnownLinks::parse("a.example:/ipns/b.example/x,b.example:/ipns/a.example/x");
    EXPECT_EQ(resolve_name("a.example", {*records_, links}, kNow).error().status, 400);
}

}  // namespace

}  // namespace decloud::ipfs
