#include "opencloud_id.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/protocol/succession.hpp>
#include <decloud/store/atomic_file.hpp>

#include <gtest/gtest.h>

namespace decloud::client {
namespace {

class OpenCloudIdTest : public ::testing::Test {
  protected:
    TemporaryFolder folder_;
    std::filesystem::path file_ = folder_.path() / "successions.json";
    identity::KeyStore keys_ = identity::KeyStore::open(folder_.path() / "keys", {}).value();
};

TEST_F(OpenCloudIdTest, StaysUntilItIsRotated) {
    const auto first = open_opencloud_id(keys_, file_).value();
    EXPECT_TRUE(first.id.starts_with("did:key:z6Mk"));
    EXPECT_EQ(first.credentials(), "");
    EXPECT_EQ(open_opencloud_id(keys_, file_).value().id, first.id);
}

TEST_F(OpenCloudIdTest, ProvesAllThatItHasFollowed) {
    std::vector<std::string> ids{open_opencloud_id(keys_, file_).value().id};
    for (int i = 0; i < 9; ++i) {
        ids.insert(ids.begin(), rotate_opencloud_id(keys_, file_, {1'000}).value().id);
    }
    const auto now = open_opencloud_id(keys_, file_).value();
    EXPECT_EQ(now.id, ids.front());
    const auto claims = protocol::parse_credential_claims(now.credentials()).value();
    ASSERT_EQ(claims.size(), 8U) << "as many as a request may bring";
    const auto verifier = protocol::make_succession_credentials();
    std::vector<std::string> earlier;
    for (std::size_t i = 0; i < claims.size(); ++i) {
        const auto known = verifier->verify(
            claims[i], {.signers = {&now.id, 1}, .earlier = earlier, .audience = {}});
        ASSERT_TRUE(known) << known.error().message();
        EXPECT_EQ(known->id, ids[i + 1]);
        EXPECT_EQ(known->successor, ids[i]);
        earlier.push_back(known->id);
    }
}

TEST_F(OpenCloudIdTest, AnUnfinishedRotationChangesNothing) {
    const auto first = open_opencloud_id(keys_, file_).value();
    const crypto::Secret seed{first.seed.view()};
    (void)rotate_opencloud_id(keys_, file_, {1'000}).value();
    // As if it had ended between the two files.
    ASSERT_TRUE(keys_.replace_mac_key("opencloud-id", seed));
    const auto still = open_opencloud_id(keys_, file_).value();
    EXPECT_EQ(still.id, first.id);
    EXPECT_EQ(still.credentials(), "");
    const auto next = rotate_opencloud_id(keys_, file_, {2'000}).value();
    ASSERT_EQ(next.earlier.size(), 1U);
    EXPECT_EQ(next.earlier.front().id, first.id);
}

TEST_F(OpenCloudIdTest, ADamagedFileIsNamed) {
    for (const char* text : {"", "[]", R"({"successions":[{"id":"a"}]})",
             R"({"successions":[{"id":"a","by":"b","exp":0,"proof":"c"}]})"}) {
        ASSERT_TRUE(store::write_file_atomically(file_, as_bytes(std::string_view(text))));
        const auto read = open_opencloud_id(keys_, file_);
        ASSERT_FALSE(read) << text;
        EXPECT_NE(read.error().detail().find("successions.json"), std::string::npos) << text;
    }
}

}  // namespace
}  // namespace decloud::client
