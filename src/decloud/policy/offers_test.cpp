#include "offers.hpp"

#include "policy_test_support.hpp"

#include <decloud/base/testing/temporary_folder.hpp>

#include <fstream>

namespace decloud::policy {
namespace {

const AssetId kUsdc{"eip155:1/erc20:0x01"};

/// A call of `id` that costs 1000, and a policy for it.
struct Asked1000 {
    explicit Asked1000(const std::string& file, const std::string& id) {
        std::ofstream(folder.path() / "policy.toml") << file;
        keeper = PolicyKeeper::open(folder.path() / "policy.toml").value();
        call.service = "compute";
        call.method = "call";
        call.credentials = {credential(id)};
        terms.asset = kUsdc;
        terms.max_price = Amount(1000);
    }
    static AdmissionSettings settings() {
        return {.usdc = kUsdc, .load = [] { return std::uint32_t{0}; }};
    }

    TemporaryFolder folder;
    ManualClock clock{UnixSeconds{1'795'230'000}};
    std::unique_ptr<PolicyKeeper> keeper;
    protocol::Call call;
    protocol::Terms terms;
};

std::optional<protocol::PromiseLimits> limits_for(const std::string& file, const std::string& id) {
    const Asked1000 asked(file, id);
    return make_promise_limits(Asked1000::settings(), *asked.keeper, asked.clock)(
        asked.call, asked.terms);
}

Amount least_bid(const std::string& file, const std::string& id) {
    const Asked1000 asked(file, id);
    return make_least_bid(Asked1000::settings(), *asked.keeper, asked.clock)(
        asked.call, asked.terms);
}

TEST(PromiseLimits, AreThoseOfTheClosestRules) {
    const std::string file =
        "[[rule]]\ndefer = { currency = \"USDC\", amount = 5000, total = 9000, time = \"1h\" }\n"
        "[[rule]]\nid = \"" +
        kAnna +
        "\"\ndefer = { currency = \"USDC\", amount = 7000, total = 8000, time = \"2h\" }\n"
        "[[rule]]\nid = \"" +
        kAnna +
        "\"\ndefer = { currency = \"USDC\", amount = 6000, total = 9999, time = \"3h\" }\n"
        "[[rule]]\naccept = { below = 20 }\n";
    const auto anna = limits_for(file, kAnna);
    ASSERT_TRUE(anna);
    EXPECT_EQ(anna->per_id, Amount(6000));
    EXPECT_EQ(anna->total, Amount(8000));
    EXPECT_EQ(anna->time, std::chrono::hours(2));
    EXPECT_EQ(anna->least, Amount(800));
    EXPECT_EQ(limits_for(file, kBert)->per_id, Amount(5000));
}

TEST(PromiseLimits, AreNoneWithoutARuleOrWithOneThatAllowsNothing) {
    EXPECT_FALSE(limits_for("", kAnna));
    EXPECT_FALSE(limits_for(
        "[[rule]]\ndefer = { currency = \"USDC\", amount = 0, time = \"1h\" }\n", kAnna));
    EXPECT_FALSE(
        limits_for("[[rule]]\ndefer = { currency = \"BTC\", amount = 5, time = \"1h\" }\n", kAnna));
}

TEST(LeastBid, IsThePriceWhereNoRuleAcceptsLess) {
    EXPECT_EQ(least_bid("", kAnna), Amount(1000));
    EXPECT_EQ(least_bid("[[rule]]\naccept = { below = 30 }\n", kAnna), Amount(700));
    EXPECT_EQ(least_bid("[[rule]]\naccept = { below = 30 }\n[[rule]]\nmin-payment = { currency = "
                        "\"USDC\", amount = 900 }\n",
                  kAnna),
        Amount(900));
}

}  // namespace
}  // namespace decloud::policy
