#include "delegation.hpp"

#include "names.hpp"

#include <gtest/gtest.h>

namespace decloud::identity {
namespace {

constexpr UnixSeconds kNow{1'800'000'000};
const Domain kDomain{.chain_id = 31337, .escrow = Address{{1}}};

class DelegationTest : public testing::Test {
  protected:
    Result<Signed<Delegation>> make(std::chrono::seconds duration, std::uint64_t epoch = 3) {
        return make_delegation(
            account, expected.node, key.public_key(), epoch, kNow, duration, kDomain);
    }

    std::error_code refusal(const Signed<Delegation>& statement, UnixSeconds now = kNow) {
        const auto result = verify_delegation(statement, expected, now, kDomain);
        return result ? std::error_code{} : result.error().code();
    }

    crypto::Secp256k1PrivateKey account = crypto::Secp256k1PrivateKey::generate();
    crypto::Ed25519PrivateKey key = crypto::Ed25519PrivateKey::generate();
    DelegationExpectation expected{
        .account = account.address(), .node = namehash("alice.decloud"), .lowest_epoch = 3};
};

TEST_F(DelegationTest, GivesTheDelegatedKey) {
    const auto statement = make(kLongestDelegation);
    ASSERT_TRUE(statement);
    EXPECT_EQ(verify_delegation(*statement, expected, kNow, kDomain), key.public_key());
}

TEST_F(DelegationTest, LastsNinetyDaysAtMost) {
    EXPECT_FALSE(make(kLongestDelegation + std::chrono::seconds(1)));
    EXPECT_FALSE(make(std::chrono::seconds(0)));
    auto fields = make(kLongestDelegation)->fields;
    fields.expires += 1;
    EXPECT_EQ(refusal(*sign(fields, kDomain, account)), IdentityError::wrong_delegation);
    fields.expires = fields.not_before;
    EXPECT_EQ(refusal(*sign(fields, kDomain, account)), IdentityError::wrong_delegation);
}

TEST_F(DelegationTest, HoldsOnlyInItsTime) {
    const auto statement = *make(std::chrono::hours(1));
    const Delegation& fields = statement.fields;
    EXPECT_EQ(refusal(statement, {fields.not_before - 1}), IdentityError::not_yet_valid);
    EXPECT_EQ(refusal(statement, {fields.not_before}), std::error_code{});
    EXPECT_EQ(refusal(statement, {fields.expires - 1}), std::error_code{});
    EXPECT_EQ(refusal(statement, {fields.expires}), IdentityError::expired);
}

TEST_F(DelegationTest, IsRevokedByAHigherEpoch) {
    EXPECT_EQ(refusal(*make(std::chrono::hours(1), 2)), IdentityError::revoked);
    EXPECT_EQ(refusal(*make(std::chrono::hours(1), 3)), std::error_code{});
}

TEST_F(DelegationTest, IsRefusedForAnotherAccountOrName) {
    const auto statement = *make(std::chrono::hours(1));
    expected.node = namehash("bob.decloud");
    EXPECT_EQ(refusal(statement), IdentityError::wrong_delegation);
    expected.node = namehash("alice.decloud");
    expected.account.bytes[0] ^= 1U;
    EXPECT_EQ(refusal(statement), IdentityError::wrong_delegation);
}

TEST_F(DelegationTest, IsRefusedWithAnotherKeyPutIn) {
    auto statement = *make(std::chrono::hours(1));
    statement.fields.ed25519_key.bytes[0] ^= 1U;
    EXPECT_EQ(refusal(statement), IdentityError::bad_signature);
}

TEST_F(DelegationTest, WarnsFourteenDaysBefore) {
    const auto fields = make(kLongestDelegation)->fields;
    const std::uint64_t warning = 14 * 86400;
    EXPECT_FALSE(expires_soon(fields, {fields.expires - warning - 1}));
    EXPECT_TRUE(expires_soon(fields, {fields.expires - warning}));
}

}  // namespace
}  // namespace decloud::identity
