#include "peer_book.hpp"

#include <decloud/crypto/ed25519.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace decloud::services {
namespace {

class PeerBookTest : public testing::Test {
  protected:
    static net::Url url(const std::string& text) { return *net::parse_url(text); }

    [[nodiscard]] protocol::PeerRecord record(const std::string& address,
        const crypto::Ed25519PrivateKey& key,
        std::vector<std::string> services = {"compute"}) const {
        return *protocol::sign_peer_record({.id = {},
                                               .name = {},
                                               .addresses = {url(address)},
                                               .services = std::move(services),
                                               .issued = clock_.unix_seconds(),
                                               .expires = {clock_.unix_seconds().value + 7200}},
            key);
    }
    [[nodiscard]] protocol::PeerRecord record(const std::string& address) const {
        return record(address, crypto::Ed25519PrivateKey::generate());
    }

    ManualClock clock_{{1'800'000'000}};
    PeerBook book_{clock_, "did:key:own", "https://own.example/",
        {.peers = 3,
            .candidates = 4,
            .silence = std::chrono::seconds(3600),
            .between_questions = std::chrono::seconds(300)}};
};

TEST_F(PeerBookTest, KnowsOnlyWhoAnswersAtAnAddressOfItsRecord) {
    EXPECT_TRUE(book_.hear(url("https://a.example")));
    EXPECT_EQ(book_.size(), 0U);
    EXPECT_FALSE(book_.saw(url("https://b.example"), record("https://a.example")));
    EXPECT_TRUE(book_.saw(url("https://a.example"), record("https://a.example")));
    ASSERT_EQ(book_.list(10).size(), 1U);
    EXPECT_TRUE(book_.list(10, "content").empty());
}

TEST_F(PeerBookTest, AsksAnAddressOnceInItsTimeAndNeverItself) {
    EXPECT_FALSE(book_.hear(url("https://own.example")));
    EXPECT_TRUE(book_.hear(url("https://a.example")));
    EXPECT_FALSE(book_.hear(url("https://a.example")));
    EXPECT_EQ(book_.next(8).size(), 1U);
    EXPECT_TRUE(book_.next(8).empty());
    EXPECT_FALSE(book_.hear(url("https://a.example")));
    clock_.advance(std::chrono::seconds(300));
    EXPECT_TRUE(book_.hear(url("https://a.example")));
}

TEST_F(PeerBookTest, AsksSoonerAgainWhoDidNotAnswer) {
    EXPECT_TRUE(book_.hear(url("https://a.example")));
    EXPECT_EQ(book_.next(8).size(), 1U);
    book_.failed(url("https://a.example"));
    EXPECT_FALSE(book_.hear(url("https://a.example")));
    clock_.advance(std::chrono::seconds(10));
    EXPECT_TRUE(book_.hear(url("https://a.example")));
    EXPECT_EQ(book_.next(8).size(), 1U);
    book_.failed(url("https://a.example"));
    clock_.advance(std::chrono::seconds(19));
    EXPECT_FALSE(book_.hear(url("https://a.example")));
    clock_.advance(std::chrono::seconds(1));
    EXPECT_TRUE(book_.hear(url("https://a.example")));
}

TEST_F(PeerBookTest, AsksKnownOnesAgainBesideSuggestedOnes) {
    EXPECT_TRUE(book_.saw(url("https://k.example"), record("https://k.example")));
    clock_.advance(std::chrono::seconds(300));
    EXPECT_TRUE(book_.hear(url("https://a.example")));
    book_.suggest({url("https://z.example"), url("https://own.example")});
    const auto next = book_.next(8);
    ASSERT_EQ(next.size(), 3U);
    EXPECT_EQ(next[0], url("https://k.example"));
    EXPECT_EQ(next[1], url("https://z.example"));
    EXPECT_EQ(next[2], url("https://a.example"));
}

TEST_F(PeerBookTest, NobodyKeepsOthersFromBeingAsked) {
    EXPECT_TRUE(book_.saw(url("https://k.example"), record("https://k.example")));
    clock_.advance(std::chrono::seconds(300));
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(book_.hear(url("https://flood" + std::to_string(i) + ".example")));
    }
    EXPECT_FALSE(book_.hear(url("https://flood9.example")));
    book_.suggest({url("https://z.example")});
    const auto next = book_.next(3);
    ASSERT_EQ(next.size(), 3U);
    EXPECT_EQ(next[0], url("https://k.example"));
    EXPECT_EQ(next[1], url("https://z.example"));
    EXPECT_EQ(next[2], url("https://flood0.example"));
}

TEST_F(PeerBookTest, AnAddressThatARecordOnlyNamesIsNotKnown) {
    auto greedy = record("https://a.example");
    greedy.addresses.push_back(url("https://victim.example"));
    EXPECT_TRUE(book_.saw(url("https://a.example"), std::move(greedy)));
    EXPECT_TRUE(book_.hear(url("https://victim.example")));
}

TEST_F(PeerBookTest, ForgetsWhoIsSilent) {
    EXPECT_TRUE(book_.saw(url("https://a.example"), record("https://a.example")));
    clock_.advance(std::chrono::seconds(3599));
    EXPECT_TRUE(book_.saw(url("https://b.example"), record("https://b.example")));
    EXPECT_EQ(book_.size(), 2U);
    clock_.advance(std::chrono::seconds(1));
    (void)book_.next(8);
    EXPECT_EQ(book_.size(), 1U);
}

TEST_F(PeerBookTest, IsBounded) {
    for (int i = 0; i < 10; ++i) {
        const std::string address = "https://p" + std::to_string(i) + ".example";
        EXPECT_TRUE(book_.saw(url(address), record(address)));
        clock_.advance(std::chrono::seconds(1));
        (void)book_.hear(url("https://c" + std::to_string(i) + ".example"));
    }
    const auto known = book_.list(100);
    ASSERT_EQ(known.size(), 3U);
    EXPECT_EQ(known[0].record.addresses[0], url("https://p9.example"));
    EXPECT_EQ(book_.candidates(), 4U);
}

TEST_F(PeerBookTest, ALaterRecordReplacesAnEarlierOne) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    const auto first = record("https://a.example", key);
    clock_.advance(std::chrono::seconds(5));
    EXPECT_TRUE(book_.saw(
        url("https://a.example"), record("https://a.example", key, {"compute", "content"})));
    EXPECT_TRUE(book_.saw(url("https://a.example"), first));
    ASSERT_EQ(book_.list(10).size(), 1U);
    EXPECT_EQ(book_.list(10, "content").size(), 1U);
}

}  // namespace
}  // namespace decloud::services
