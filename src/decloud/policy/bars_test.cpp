// The two bars of the original text, as they stand in examples/policies.

#include "policy_test_support.hpp"

#include <decloud/store/atomic_file.hpp>

#include <cstdlib>

namespace decloud::policy {
namespace {

using PaymentType = protocol::PaymentHeader::Type;

Policy example(const char* name) {
    const char* const root = std::getenv("DECLOUD_SOURCE_DIR");
    auto policy = Policy::load(
        std::filesystem::path(root == nullptr ? "." : root) / "examples" / "policies" / name);
    EXPECT_TRUE(policy) << policy.error().message();
    return policy ? std::move(*policy) : Policy();
}

Asked tab(const std::vector<std::string>& ids, std::uint64_t amount, std::uint64_t days) {
    Asked asked(ids);
    asked.question.payment = PaymentType::deferred;
    asked.question.amount = Amount(amount);
    asked.question.due = UnixSeconds{days * 86'400};
    return asked;
}

TEST(ExclusiveBar, ServesOnlyWhomItKnowsOrWhoHasStanding) {
    const Policy bar = example("exclusive-bar.toml");
    const Scores scores({{kBert, 900'000}});
    EXPECT_EQ(Asked().verdict(bar), Verdict::denied);
    EXPECT_EQ(Asked({kAnna}).verdict(bar), Verdict::allowed);
    EXPECT_EQ(Asked({kCora}).verdict(bar), Verdict::allowed);
    Asked bert({kBert});
    EXPECT_EQ(bert.verdict(bar), Verdict::denied);
    bert.question.reputation = &scores;
    EXPECT_EQ(bert.verdict(bar), Verdict::allowed);
    Asked asks;
    asks.question.service = "info";
    EXPECT_EQ(asks.verdict(bar), Verdict::allowed);
}

TEST(ExclusiveBar, LetsItsGuestsOweMuch) {
    const Policy bar = example("exclusive-bar.toml");
    const Scores scores({{kBert, 900'000}});
    EXPECT_EQ(tab({kAnna}, 100'000'000, 30).verdict(bar), Verdict::allowed);
    EXPECT_EQ(tab({kAnna}, 100'000'001, 30).verdict(bar), Verdict::no_defer);
    EXPECT_EQ(tab({kAnna}, 1, 31).verdict(bar), Verdict::no_defer);
    Asked bert = tab({kBert}, 25'000'000, 7);
    bert.question.reputation = &scores;
    EXPECT_EQ(bert.verdict(bar), Verdict::allowed);
    bert.question.amount = Amount(25'000'001);
    EXPECT_EQ(bert.verdict(bar), Verdict::no_defer);
}

TEST(ExclusiveBar, KeepsOutWhomItHasThrownOutWhoeverComesAlong) {
    const Policy bar = example("exclusive-bar.toml");
    Asked both({kAnna, "did:key:z6MkfrQeQbSJ1uwj7rNFNmQxsmEAYm9ivHmVhRvPBoS2KvFA"});
    const Decision decision = both.of(bar);
    EXPECT_EQ(decision.verdict, Verdict::denied);
    EXPECT_EQ(tell_caller(decision, both.question), "you still owe for the last time");
}

TEST(OpenBar, ServesAnybodyAndLetsThemOweLittle) {
    const Policy bar = example("open-bar.toml");
    EXPECT_EQ(Asked().verdict(bar), Verdict::allowed);
    EXPECT_EQ(Asked({kBert}).verdict(bar), Verdict::allowed);
    EXPECT_EQ(tab({kBert}, 50'000, 1).verdict(bar), Verdict::allowed);
    EXPECT_EQ(tab({kBert}, 50'001, 1).verdict(bar), Verdict::no_defer);
    EXPECT_EQ(tab({kBert}, 50'000, 2).verdict(bar), Verdict::no_defer);
    EXPECT_EQ(tab({}, 1, 1).verdict(bar), Verdict::no_defer);
}

TEST(OpenBar, ChargesByTheHourAndByTheCrowd) {
    const Policy bar = example("open-bar.toml");
    Asked asked({kBert});
    asked.question.time = UnixSeconds{12 * 3600};
    asked.question.load = 50;
    EXPECT_EQ(asked.of(bar).quote, Amount(1000));
    EXPECT_EQ(asked.of(bar).least_bid, Amount(1000));
    asked.question.load = 29;
    EXPECT_EQ(asked.of(bar).least_bid, Amount(750));
    asked.question.time = UnixSeconds{23 * 3600};
    EXPECT_EQ(asked.of(bar).quote, Amount(700));
    asked.question.load = 80;
    EXPECT_EQ(asked.of(bar).quote, Amount(3000));
}

TEST(OpenBar, KeepsOutBadNames) {
    const Policy bar = example("open-bar.toml");
    const Scores scores({{kBert, 99'999}});
    Asked asked({kBert});
    asked.question.reputation = &scores;
    EXPECT_EQ(asked.verdict(bar), Verdict::denied);
}

TEST(PolicyDocument, ShowsFilesThatAreValid) {
    const char* const root = std::getenv("DECLOUD_SOURCE_DIR");
    const auto page = store::read_file(
        std::filesystem::path(root == nullptr ? "." : root) / "docs" / "policy.md", kMiB);
    ASSERT_TRUE(page);
    std::string_view text = as_text(*page);
    constexpr std::string_view kBegin = "\n```toml\n";
    std::size_t found = 0;
    for (std::size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin)) {
        text.remove_prefix(at + kBegin.size());
        const Policy policy = policy_of(std::string(text.substr(0, text.find("\n```"))),
            {{"friends.txt", kBert}, {"blocked.txt", ""}});
        EXPECT_FALSE(policy.rules().empty());
        ++found;
    }
    EXPECT_EQ(found, 2U);
}

}  // namespace
}  // namespace decloud::policy
