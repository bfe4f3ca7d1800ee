#include "bidding.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace decloud::client {
namespace {

using Why = Declined::Why;

/// All offers to a node that takes `price` and, if it may, promises; the last one is taken or given
/// up.
std::vector<Bid> offers(Bidding& bidding, std::uint64_t price, bool may_defer = false) {
    std::vector<Bid> out;
    for (std::optional<Bid> bid = bidding.first(); bid && out.size() < 1000;) {
        out.push_back(*bid);
        const bool pays =
            bid->kind == Bid::Kind::attached || (bid->kind == Bid::Kind::deferred && may_defer);
        if (pays && bid->amount >= Amount(price)) {
            return out;
        }
        const Why why = bid->kind == Bid::Kind::nothing ? Why::acceptable_payment
                        : pays                          ? Why::too_low
                                                        : Why::no_defer;
        bid = bidding.next(*bid, {.why = why, .asked = Amount(price)});
    }
    return out;
}

Bid attached(std::uint64_t amount) { return {Bid::Kind::attached, Amount(amount)}; }

TEST(Bidding, FixedOffersItsBudgetOnce) {
    EXPECT_EQ(offers(*make_fixed_bidding(Amount(100)), 50), std::vector{attached(100)});
    EXPECT_EQ(offers(*make_fixed_bidding(Amount(100)), 101), std::vector{attached(100)});
}

TEST(Bidding, AcceptQuotePaysWhatIsAskedWithinItsBudget) {
    EXPECT_EQ(
        offers(*make_accept_quote_bidding(Amount(100)), 70), (std::vector{Bid{}, attached(70)}));
    EXPECT_EQ(offers(*make_accept_quote_bidding(Amount(100)), 101), std::vector{Bid{}});
    const auto bidding = make_accept_quote_bidding(Amount(100));
    EXPECT_FALSE(bidding->next(attached(70), {.why = Why::too_low, .asked = Amount(70)}));
    EXPECT_EQ(
        bidding->next(attached(70), {.why = Why::too_low, .asked = Amount(80)}), attached(80));
}

TEST(Bidding, AcceptQuotePaysWhatWasQuotedWithoutAsking) {
    EXPECT_EQ(
        offers(*make_accept_quote_bidding(Amount(100), Amount(70)), 70), std::vector{attached(70)});
    EXPECT_EQ(
        offers(*make_accept_quote_bidding(Amount(100), Amount(101)), 101), std::vector{Bid{}});
    EXPECT_EQ(offers(*make_accept_quote_bidding(Amount(100), Amount(70)), 80),
        (std::vector{attached(70), attached(80)}));
}

TEST(Bidding, AcceptQuotePaysTheSamePriceOnceMoreWhenTheQuoteHasExpired) {
    const auto bidding = make_accept_quote_bidding(Amount(100), Amount(70));
    const Declined same_price{.why = Why::too_low, .asked = Amount(70)};
    EXPECT_EQ(bidding->first(), attached(70));
    EXPECT_EQ(bidding->next(attached(70), same_price), attached(70));
    EXPECT_FALSE(bidding->next(attached(70), same_price));
}

TEST(Bidding, RaiseRisesByItsStepAndStopsAtTheMost) {
    EXPECT_EQ(offers(*make_raise_bidding(Amount(1000), 50), 300),
        (std::vector{attached(100), attached(150), attached(225), attached(338)}));
    const auto all = offers(*make_raise_bidding(Amount(1000), 1), 5000);
    EXPECT_EQ(all.back(), attached(1000));
    for (std::size_t i = 1; i < all.size(); ++i) {
        EXPECT_LT(all[i - 1].amount, all[i].amount);
    }
    EXPECT_EQ(offers(*make_raise_bidding(Amount(1), 10), 5), std::vector{attached(1)});
}

TEST(Bidding, DeferFirstPromisesAndElsePays) {
    const Bid promise{Bid::Kind::deferred, Amount(100)};
    EXPECT_EQ(offers(*make_defer_first_bidding(Amount(100)), 70, true), std::vector{promise});
    EXPECT_EQ(
        offers(*make_defer_first_bidding(Amount(100)), 70), (std::vector{promise, attached(70)}));
    EXPECT_EQ(offers(*make_defer_first_bidding(Amount(100)), 101), std::vector{promise});
}

TEST(Bidding, DeferQuotedPromisesNoMoreThanWhatIsAsked) {
    EXPECT_EQ(offers(*make_defer_quoted_bidding(Amount(100)), 70, true),
        (std::vector{Bid{}, Bid{Bid::Kind::deferred, Amount(70)}}));
    EXPECT_EQ(offers(*make_defer_quoted_bidding(Amount(100)), 101, true), std::vector{Bid{}});
}

TEST(Bidding, IsReadByNameAndNeverPassesTheBudget) {
    for (const char* text : {"fixed", "accept-quote", "raise:10%:0.0002", "defer-first"}) {
        const auto bidding = parse_bidding(text, Amount(150));
        ASSERT_TRUE(bidding) << text;
        for (const Bid& bid : offers(**bidding, 1'000'000)) {
            EXPECT_LE(bid.amount, Amount(150)) << text;
        }
    }
    for (const char* text : {"", "raise", "raise:10%", "raise:%:1", "raise:0%:1", "raise:10:1",
             "raise:10%:0", "raise:x%:1", "raise:1001%:1", "Fixed"}) {
        EXPECT_FALSE(parse_bidding(text, Amount(150))) << text;
    }
}

}  // namespace
}  // namespace decloud::client
