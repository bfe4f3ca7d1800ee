#include "ens.hpp"

#include "error.hpp"

#include <decloud/net/testing/test_loop.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace decloud::registry {
namespace {

identity::ProviderName name(std::string_view text) {
    return identity::ProviderName::parse(text).value();
}

/// Finds nobody, and remembers who was asked for.
class Nobody final : public ProviderSource {
  public:
    async::Task<Result<Provider>> find(identity::ProviderName wanted) override {
        asked.push_back(wanted.full());
        co_return fail(RegistryError::unknown_provider, wanted.full());
    }
    std::vector<std::string> asked;
};

TEST(Ens, HasTheNamesUnderEth) {
    EXPECT_TRUE(is_ens_name(name("shop.eth")));
    EXPECT_TRUE(is_ens_name(name("a.shop.eth")));
    EXPECT_FALSE(is_ens_name(name("alice")));
    EXPECT_FALSE(is_ens_name(name("eth.decloud")));
    EXPECT_FALSE(is_ens_name(name("notreth.decloud")));
}

TEST(Ens, IsAskedWhereEthereumHasIt) {
    EXPECT_EQ(to_string(EnsSettings{}.registry), "0x00000000000c2e074ec69a0dfb2997ba6c7d2e1e");
    EXPECT_EQ(EnsSettings{}.chain_id, 1U);
}

TEST(EnsDirectory, LeavesOtherNamesToOthersAndAllWithoutEndpoints) {
    net::testing::run_loop([](async::Executor executor) -> async::Task<void> {
        Nobody others;
        EnsDirectory without(executor, {}, others, system_clock());
        EXPECT_FALSE(co_await without.find(name("shop.eth")));
        EXPECT_FALSE(co_await without.find(name("alice")));
        co_await without.run();
        co_await without.stop();
        EXPECT_EQ(others.asked, (std::vector<std::string>{"shop.eth", "alice.decloud"}));

        // Nobody listens there.
        EnsDirectory with(executor, {.rpc_urls = {"http://127.0.0.1:9"}}, others, system_clock());
        const auto found = co_await with.find(name("shop.eth"));
        EXPECT_FALSE(found);
        EXPECT_EQ(found.error(), make_error_code(RegistryError::unavailable));
        EXPECT_FALSE(co_await with.find(name("bob")));
        co_await with.stop();
        EXPECT_EQ(others.asked.size(), 3U);
        EXPECT_EQ(others.asked.back(), "bob.decloud");
    });
}

}  // namespace
}  // namespace decloud::registry
