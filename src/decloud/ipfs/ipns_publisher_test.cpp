#include "ipns_publisher.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/multiformats/ipns_signing.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace decloud::ipfs {

namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint64_t kStart = 1'800'000'000;
constexpr std::chrono::hours kLife{48};

class IpnsPublisherTest : public testing::Test {
  protected:
    IpnsPublisherTest() { open(); }

    /// As after a restart.
    void open() {
        publisher_.reset();
        publications_.reset();
        records_ = *IpnsRecords::open(folder_.path() / "ipns");
        publications_ = *store::RecordStore::open(folder_.path() / "records.sqlite");
        publisher_ = std::make_unique<IpnsPublisher>(
            [this](std::string_view name) -> Result<crypto::Ed25519PrivateKey> {
                const auto [key, made] = keys_.try_emplace(std::string(name));
                if (made) {
                    key->second = to_bytes(crypto::Ed25519PrivateKey::generate().seed());
                }
                return crypto::Ed25519PrivateKey::from_seed(key->second);
            },
            *records_, *publications_, clock_);
    }

    IpnsPublisher::Published publish(const std::string& value, const std::string& key = "self") {
        return publisher_->publish({.key = key, .value = value, .lifetime = kLife}).value();
    }

    /// What the name says to those who ask.
    std::optional<multiformats::IpnsRecord> held(const multiformats::IpnsName& name) {
        const auto found = records_->find(name, clock_.unix_seconds()).value();
        return found ? std::optional(found->record) : std::nullopt;
    }

    TemporaryFolder folder_;
    ManualClock clock_{UnixSeconds{kStart}};
    std::map<std::string, Bytes, std::less<>> keys_;
    std::unique_ptr<IpnsRecords> records_;
    std::unique_ptr<store::RecordStore> publications_;
    std::unique_ptr<IpnsPublisher> publisher_;
};

TEST_F(IpnsPublisherTest, CountsEachNewValue) {
    const auto first = publish("/ipfs/bafkqaaa");
    EXPECT_EQ(first.record.sequence, 0U);
    EXPECT_EQ(held(first.name)->value, "/ipfs/bafkqaaa");
    EXPECT_EQ(held(first.name)->valid_until.value, kStart + 48 * 3600);
    EXPECT_EQ(publish("/ipfs/bafkqaaa").record.sequence, 0U);
    EXPECT_EQ(publish("/ipns/example.org").record.sequence, 1U);
    EXPECT_EQ(held(first.name)->value, "/ipns/example.org");
    EXPECT_NE(publish("/ipfs/bafkqaaa", "other").name, first.name);
}

TEST_F(IpnsPublisherTest, CountsOnAfterARecordHasEnded) {
    const auto first = publish("/ipfs/bafkqaaa");
    (void)publish("/ipfs/bafkqaab");
    clock_.advance(kLife + std::chrono::hours(1));
    EXPECT_FALSE(held(first.name));
    EXPECT_EQ(publish("/ipfs/bafkqaac").record.sequence, 2U);
}

TEST_F(IpnsPublisherTest, ShortensAValidityByANewSequence) {
    const auto first = publish("/ipfs/bafkqaaa");
    const auto shorter = publisher_->publish(
        {.key = "self", .value = "/ipfs/bafkqaaa", .lifetime = std::chrono::hours(1)});
    ASSERT_TRUE(shorter) << shorter.error().message();
    EXPECT_EQ(shorter->record.sequence, 1U);
    EXPECT_EQ(held(first.name)->valid_until.value, kStart + 3600);
}

TEST_F(IpnsPublisherTest, RenewsWhatIsHalfOver) {
    const auto first = publish("/ipfs/bafkqaaa");
    EXPECT_EQ(publisher_->renew()->records, 0U);
    clock_.advance(kLife / 2);
    open();
    EXPECT_EQ(publisher_->renew()->records, 1U);
    EXPECT_EQ(held(first.name)->valid_until.value, kStart + 72 * 3600);
    EXPECT_EQ(held(first.name)->sequence, 0U);
    EXPECT_EQ(publisher_->renew()->records, 0U);
}

TEST_F(IpnsPublisherTest, RenewsWhatHasEndedMeanwhile) {
    const auto first = publish("/ipfs/bafkqaaa");
    clock_.advance(10 * kLife);
    EXPECT_EQ(publisher_->renew()->records, 1U);
    EXPECT_EQ(held(first.name)->value, "/ipfs/bafkqaaa");
}

TEST_F(IpnsPublisherTest, LeavesANewerRecordOfAnotherMachine) {
    const auto first = publish("/ipfs/bafkqaaa");
    const auto key = crypto::Ed25519PrivateKey::from_seed(keys_.at("self")).value();
    const auto elsewhere = multiformats::sign_ipns_record(
        key, {.value = "/ipfs/bafkqaab", .sequence = 9, .valid_until = {kStart + 3600}, .ttl = {}});
    ASSERT_TRUE(records_->put(first.name, *elsewhere, clock_.unix_seconds()));
    const auto renewed = publisher_->renew();
    EXPECT_EQ(renewed->records, 0U);
    ASSERT_THAT(renewed->problems, SizeIs(1));
    EXPECT_THAT(renewed->problems[0], HasSubstr("self: "));
    EXPECT_EQ(held(first.name)->value, "/ipfs/bafkqaab");
    EXPECT_EQ(publish("/ipfs/bafkqaaa").record.sequence, 10U);
}

TEST_F(IpnsPublisherTest, RenewsNoMoreWhatWasWithdrawn) {
    const auto first = publish("/ipfs/bafkqaaa");
    ASSERT_TRUE(publisher_->withdraw("self"));
    EXPECT_EQ(publisher_->withdraw("self").error().code(), CommonError::not_found);
    clock_.advance(kLife / 2);
    EXPECT_EQ(publisher_->renew()->records, 0U);
    EXPECT_TRUE(held(first.name));
}

TEST_F(IpnsPublisherTest, RefusesWhatMakesNoSense) {
    const auto refused = [this](Publication publication) {
        const auto published = publisher_->publish(publication);
        return !published && published.error().code() == CommonError::invalid_input;
    };
    EXPECT_TRUE(refused({.key = "self", .value = "bafkqaaa"}));
    EXPECT_TRUE(refused({.key = "self",
        .value = "/ipfs/bafkqaaa",
        .lifetime = std::chrono::seconds(1),
        .ttl = {}}));
    EXPECT_TRUE(
        refused({.key = "self", .value = "/ipfs/bafkqaaa", .lifetime = kLife, .ttl = 2 * kLife}));
    EXPECT_EQ(publisher_->renew()->records, 0U);
}

}  // namespace

}  // namespace decloud::ipfs
