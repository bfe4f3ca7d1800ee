#include "account_balances.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <map>

namespace decloud::policy {
namespace {

Credential account(char digit) { return {.kind = "ethereum", .id = "0x" + std::string(40, digit)}; }

class AccountBalancesTest : public testing::Test {
  protected:
    async::Task<Result<Amount>> ask(Address account) {
        ++asked_;
        const auto found = chain_.find(to_string(account));
        co_return found == chain_.end() ? Result<Amount>(fail(CommonError::unavailable))
                                        : found->second;
    }
    void learn(std::vector<Credential> credentials) {
        boost::asio::io_context context;
        auto done = boost::asio::co_spawn(
            context, balances_.learn(std::move(credentials)), boost::asio::use_future);
        context.run();
        done.get();
    }
    std::optional<Amount> known(const Credential& credential) {
        const Facts facts = balances_.facts(credential);
        return facts.balance ? std::optional(facts.balance->amount) : std::nullopt;
    }

    std::map<std::string, Amount> chain_{
        {account('a').id, Amount(5)}, {account('b').id, Amount(7)}};
    int asked_ = 0;
    ManualClock clock_{UnixSeconds{1'000'000}};
    AccountBalances balances_{
        [this](Address account) { return ask(account); }, clock_, {.max_accounts = 2}};
};

TEST_F(AccountBalancesTest, AreKnownOnceTheyWereLearntAndForAMinute) {
    EXPECT_EQ(known(account('a')), std::nullopt);
    learn({account('a'), {.kind = "opencloud", .id = "did:key:z6Mk"}, account('b')});
    EXPECT_EQ(known(account('a')), Amount(5));
    EXPECT_EQ(known(account('b')), Amount(7));
    EXPECT_EQ(balances_.facts(account('a')).balance->currency, "USDC");
    learn({account('a'), account('b')});
    EXPECT_EQ(asked_, 2);
    clock_.advance(std::chrono::seconds(60));
    EXPECT_EQ(known(account('a')), std::nullopt);
    chain_[account('a').id] = Amount(6);
    learn({account('a')});
    EXPECT_EQ(known(account('a')), Amount(6));
}

TEST_F(AccountBalancesTest, ThatCouldNotBeFoundOutAreAskedAgainSoon) {
    learn({account('c')});
    learn({account('c')});
    EXPECT_EQ(known(account('c')), std::nullopt);
    EXPECT_EQ(asked_, 1);
    clock_.advance(std::chrono::seconds(5));
    chain_[account('c').id] = Amount(1);
    learn({account('c')});
    EXPECT_EQ(known(account('c')), Amount(1));
}

TEST_F(AccountBalancesTest, AreRememberedInBoundedNumber) {
    for (const char digit : {'a', 'b', 'c', 'd', 'e'}) {
        learn({account(digit)});
    }
    EXPECT_EQ(balances_.size(), 2U);
}

}  // namespace
}  // namespace decloud::policy
