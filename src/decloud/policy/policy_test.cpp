#include "policy_test_support.hpp"

namespace decloud::policy {
namespace {

using testing::HasSubstr;
using PaymentType = protocol::PaymentHeader::Type;

TEST(Policy, AllowsEverythingWithoutAFileAndByDefault) {
    EXPECT_EQ(Asked().verdict(Policy()), Verdict::allowed);
    EXPECT_EQ(Asked().verdict(policy_of("")), Verdict::allowed);
    EXPECT_EQ(Asked().verdict(policy_of("default = \"deny\"")), Verdict::denied);
}

TEST(Policy, TakesTheClosestOfAllowAndDeny) {
    const Policy policy = policy_of(R"(
        [[rule]]
        deny = true
        [[rule]]
        service = "compute"
        allow = true
        [[rule]]
        service = "compute"
        method = ["stop", "kill"]
        deny = true
    )");
    Asked asked;
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
    asked.question.method = "kill";
    EXPECT_EQ(asked.verdict(policy), Verdict::denied);
    asked.question.service = "content";
    EXPECT_EQ(asked.verdict(policy), Verdict::denied);
    EXPECT_EQ(asked.of(policy).rule->line, 2U);
}

TEST(Policy, ServesThoseWhomItNamesWhereNobodyElseIsServed) {
    const Policy policy = policy_of("default = \"deny\"\n[[rule]]\nid = \"" + kAnna +
                                    "\"\nallow = true\n[[rule]]\nkind = \"ethereum\"\n"
                                    "service = \"compute\"\nallow = true\n");
    EXPECT_EQ(Asked().verdict(policy), Verdict::denied);
    EXPECT_EQ(Asked({kAnna}).verdict(policy), Verdict::allowed);
    EXPECT_EQ(Asked({kBert}).verdict(policy), Verdict::denied);
    EXPECT_EQ(Asked({kCora}).verdict(policy), Verdict::allowed);
    Asked other({kCora});
    other.question.service = "content";
    EXPECT_EQ(other.verdict(policy), Verdict::denied);
}

TEST(Policy, DeniesByAnyPresentedCredentialWhateverElseIsAllowed) {
    const Policy policy = policy_of("[[rule]]\nid = \"" + kAnna +
                                    "\"\nservice = \"compute\"\nmethod = \"call\"\nallow = true\n"
                                    "[[rule]]\nkind = \"ethereum\"\ndeny = true\n");
    EXPECT_EQ(Asked({kAnna}).verdict(policy), Verdict::allowed);
    EXPECT_EQ(Asked({kAnna, kCora}).verdict(policy), Verdict::denied);
    EXPECT_EQ(Asked({kCora, kAnna}).verdict(policy), Verdict::denied);
}

TEST(Policy, KnowsIdsInTheirOtherSpellingsAndFromFiles) {
    const Policy policy = policy_of(
        "default = \"deny\"\n[group.friends]\nids-file = \"friends.txt\"\nids = "
        "[\"eip155:1:0x70997970C51812DC3A010C7D01B50E0D17DC79C8\"]\n"
        "[[rule]]\ngroup = \"friends\"\nallow = true\n",
        {{"friends.txt", "# my friends\r\n\r\n  " + kAnna +
                             " # Anna\r\n0xAB5801A7D398351B8BE11C439E05C5B3259AEC9B\n"
                             "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4\n"
                             "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"}});
    EXPECT_EQ(policy.size().ids, 5U);
    for (const std::string& id :
        {kAnna, kCora, std::string("0xab5801a7d398351b8be11c439e05c5b3259aec9b"),
            std::string("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
            std::string("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")}) {
        EXPECT_EQ(Asked({id}).verdict(policy), Verdict::allowed) << id;
    }
    EXPECT_EQ(Asked({kBert}).verdict(policy), Verdict::denied);
}

TEST(Policy, FitsReputationBandsOnlyWhereSomebodyTellsReputations) {
    const Policy policy = policy_of(
        "default = \"deny\"\n[[rule]]\nreputation = { at-least = 800000 }\nallow = true\n"
        "[[rule]]\nreputation = { below = 100000 }\ndeny = true\n");
    const Scores scores({{kAnna, 800'000}, {kBert, 99'999}});
    Asked anna({kAnna});
    EXPECT_EQ(anna.verdict(policy), Verdict::denied);
    anna.question.reputation = &scores;
    EXPECT_EQ(anna.verdict(policy), Verdict::allowed);
    Asked both({kAnna, kBert});
    both.question.reputation = &scores;
    EXPECT_EQ(both.verdict(policy), Verdict::denied);
    Asked cora({kCora});
    cora.question.reputation = &scores;
    EXPECT_EQ(cora.verdict(policy), Verdict::denied);
}

TEST(Policy, WantsOneCredentialThatFitsAllOfWhoARuleNames) {
    const Policy policy = policy_of(
        "default = \"deny\"\n[[rule]]\nkind = \"ethereum\"\n"
        "reputation = { at-least = 800000 }\nallow = true\n");
    const Scores scores({{kAnna, 900'000}, {kCora, 1}});
    Asked two({kAnna, kCora});
    two.question.reputation = &scores;
    EXPECT_EQ(two.verdict(policy), Verdict::denied);
    const Scores other({{kCora, 900'000}});
    two.question.reputation = &other;
    EXPECT_EQ(two.verdict(policy), Verdict::allowed);
}

TEST(Policy, BarsContentInEverySpellingOfItsCid) {
    const Policy policy = policy_of(
        "[[rule]]\ncid = \"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG\"\ndeny = true\n"
        "[[rule]]\nname = \"Mallory.decloud\"\nowner = \"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
        "\"\ncids-file = \"bad.txt\"\ndeny = true\n",
        {{"bad.txt", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy\n"}});
    EXPECT_EQ(policy.size().contents, 4U);
    for (const char* cid : {"QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
             "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34",
             "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}) {
        EXPECT_NE(policy.barring({.cid = cid}), nullptr) << cid;
    }
    EXPECT_EQ(
        policy.barring({.cid = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"}),
        nullptr);
    EXPECT_EQ(policy.barring({.cid = "no cid"}), nullptr);
    EXPECT_NE(policy.barring({.name = "mallory.decloud"}), nullptr);
    EXPECT_NE(policy.barring({.owner = parse_address(kCora).value()}), nullptr);
    EXPECT_EQ(Asked({kCora}).verdict(policy), Verdict::allowed);
}

TEST(Policy, RequiresOfOneCredentialAndCountsWhatNobodyTellsAsNotMet) {
    const Policy kinds = policy_of("[[rule]]\nrequire = { kind = [\"ethereum\", \"bitcoin\"] }\n");
    EXPECT_EQ(Asked().verdict(kinds), Verdict::unmet);
    EXPECT_EQ(Asked({kAnna}).verdict(kinds), Verdict::unmet);
    EXPECT_EQ(Asked({kAnna, kCora}).verdict(kinds), Verdict::allowed);

    const Policy facts = policy_of(
        "[[rule]]\nrequire = { balance = { currency = \"BTC\", amount = 5000 }, age = \"30d\" }\n");
    Asked asked({kAnna});
    EXPECT_EQ(asked.verdict(facts), Verdict::unmet);
    EXPECT_THAT(describe(asked.of(facts), asked.question), HasSubstr("nobody tells"));
    class Known final : public FactsView {
      public:
        std::chrono::seconds age{};
        [[nodiscard]] Facts facts(const Credential& /*credential*/) const override {
            return {.balance = Money{"BTC", Amount(5000)}, .age = age, .fees = {}};
        }
    } known;
    asked.question.facts = &known;
    EXPECT_EQ(asked.verdict(facts), Verdict::unmet);
    EXPECT_THAT(describe(asked.of(facts), asked.question), testing::Not(HasSubstr("nobody tells")));
    known.age = std::chrono::hours(24 * 30);
    EXPECT_EQ(asked.verdict(facts), Verdict::allowed);

    const Policy standing = policy_of("[[rule]]\nrequire = { reputation = 500000 }\n");
    EXPECT_EQ(asked.verdict(standing), Verdict::unmet);
    const Scores scores({});
    asked.question.reputation = &scores;
    EXPECT_EQ(asked.verdict(standing), Verdict::allowed);
}

TEST(Policy, AsksForTheLeastPaymentByCurrencyCallAndUnit) {
    const Policy policy = policy_of(
        "[[rule]]\nmin-payment = [ { currency = \"USDC\", amount = 100, per = \"unit\" }, "
        "{ currency = \"USDC\", amount = 250 }, { currency = \"BTC\", amount = \"7\" } ]\n");
    Asked asked;
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);  // nobody says what it pays
    asked.question.amount = Amount(249);
    EXPECT_EQ(asked.verdict(policy), Verdict::too_low);
    asked.question.amount = Amount(250);
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
    asked.question.units = 3;
    EXPECT_EQ(asked.verdict(policy), Verdict::too_low);
    asked.question.amount = Amount(300);
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
    asked.question.currency = "BTC";
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
    asked.question.currency = "DOGE";
    EXPECT_EQ(asked.verdict(policy), Verdict::too_low);
}

TEST(Policy, LimitsTheUnitsOfOneRequest) {
    const Policy policy = policy_of("[[rule]]\nmax-work = 10\n");
    Asked asked;
    asked.question.units = 10;
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
    asked.question.units = 11;
    EXPECT_EQ(asked.verdict(policy), Verdict::too_much_work);
}

TEST(Policy, LetsPayLaterOnlyWhomItSaysAndWithinAmountAndTime) {
    const Policy policy = policy_of(
        "[[rule]]\nid = \"" + kAnna +
        "\"\ndefer = { currency = \"USDC\", amount = 5000, total = 9000, time = \"1h\" }\n");
    Asked anna({kAnna});
    anna.question.payment = PaymentType::deferred;
    anna.question.amount = Amount(5000);
    anna.question.time = UnixSeconds{1000};
    anna.question.due = UnixSeconds{4600};
    EXPECT_EQ(anna.verdict(policy), Verdict::allowed);
    EXPECT_EQ(anna.of(policy).of(Command::defer)[0]->defer.value_or(Defer{}).total, Amount(9000));
    anna.question.due = UnixSeconds{4601};
    EXPECT_EQ(anna.verdict(policy), Verdict::no_defer);
    anna.question.due = UnixSeconds{4600};
    anna.question.amount = Amount(5001);
    EXPECT_EQ(anna.verdict(policy), Verdict::no_defer);
    Asked bert({kBert});
    bert.question.payment = PaymentType::deferred;
    EXPECT_EQ(bert.verdict(policy), Verdict::no_defer);
}

TEST(Policy, QuotesByUnitTimeAndLoadTheFirstConditionThatHolds) {
    const Policy policy = policy_of(
        "[[rule]]\nprice = { currency = \"USDC\", base = 1000, per-unit = 10, when = [ "
        "{ load-at-least = 80, base = 3000 }, { hours = \"22:00-06:00\", per-unit = 1 } ] }\n");
    Asked asked;
    asked.question.units = 5;
    asked.question.time = UnixSeconds{12 * 3600};
    EXPECT_EQ(asked.of(policy).quote, Amount(1050));
    asked.question.time = UnixSeconds{86'400 + 22 * 3600};
    EXPECT_EQ(asked.of(policy).quote, Amount(1005));
    asked.question.time = UnixSeconds{6 * 3600 - 1};
    EXPECT_EQ(asked.of(policy).quote, Amount(1005));
    asked.question.time = UnixSeconds{6 * 3600};
    EXPECT_EQ(asked.of(policy).quote, Amount(1050));
    asked.question.load = 80;
    EXPECT_EQ(asked.of(policy).quote, Amount(3050));
    asked.question.currency = "BTC";
    EXPECT_EQ(asked.of(policy).quote, std::nullopt);
}

TEST(Policy, TakesBidsAsFarBelowTheQuoteAsItSays) {
    const Policy policy = policy_of(
        "[[rule]]\ndefer = { currency = \"USDC\", amount = 5000, time = \"1h\" }\n"
        "accept = { below = 10, when = [ { load-below = 30, below = 40 }, "
        "{ reputation-at-least = 700000, below = 25 } ] }\n");
    const Scores scores({{kAnna, 700'000}});
    Asked asked({kAnna});
    asked.question.payment = PaymentType::deferred;
    asked.question.service_price = Amount(1001);
    asked.question.load = 50;
    EXPECT_EQ(asked.of(policy).least_bid, Amount(901));
    asked.question.reputation = &scores;
    EXPECT_EQ(asked.of(policy).least_bid, Amount(751));
    asked.question.load = 29;
    EXPECT_EQ(asked.of(policy).least_bid, Amount(601));
    asked.question.amount = Amount(600);
    EXPECT_EQ(asked.verdict(policy), Verdict::too_low);
    asked.question.amount = Amount(601);
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
}

TEST(Policy, HoldsAllOfEquallyCloseRules) {
    const Policy policy = policy_of(
        "[[rule]]\nservice = \"compute\"\nmax-work = 5\nmin-payment = { currency = \"USDC\", "
        "amount = 10 }\n[[rule]]\nservice = \"compute\"\nmax-work = 3\nmin-payment = { currency = "
        "\"USDC\", amount = 20 }\n[[rule]]\nmax-work = 1\n");
    Asked asked;
    asked.question.units = 3;
    asked.question.amount = Amount(20);
    EXPECT_EQ(asked.verdict(policy), Verdict::allowed);
    asked.question.units = 4;
    EXPECT_EQ(asked.verdict(policy), Verdict::too_much_work);
    asked.question.units = 3;
    asked.question.amount = Amount(19);
    EXPECT_EQ(asked.verdict(policy), Verdict::too_low);
}

TEST(Policy, ExplainsWhichRulesHadASay) {
    const Policy policy = policy_of(
        "[[rule]]\nlabel = \"all\"\nrate-limit = { per-second = 5 }\n"
        "[[rule]]\nlabel = \"Anna\"\nid = \"" +
        kAnna + "\"\ndeny = true\nreason = \"owes me money\"\n");
    Asked asked({kAnna});
    const Decision decision = asked.of(policy);
    const json::Object told = explain(decision, asked.question);
    EXPECT_EQ(told.at("verdict"), "denied");
    EXPECT_EQ(told.at("why"), "denied by \"Anna\" (line 4)");
    EXPECT_EQ(told.at("commands").as_array().size(), 2U);
    EXPECT_EQ(tell_caller(decision, asked.question), "owes me money");
}

TEST(PolicyFile, SaysWhatIsWrongAndInWhichLine) {
    for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
             {"default = \"perhaps\"", "p.toml:1: \"default\""},
             {"\n[[rule]]\nalow = true", "p.toml:3: unknown key \"alow\""},
             {"rule = 1", "must be a list"},
             {"[[rule]]\nservice = \"a\"", "p.toml:1: a rule needs a command"},
             {"[[rule]]\nallow = true\ndeny = true", "p.toml:3: \"deny\""},
             {"[[rule]]\nallow = false", "p.toml:2: \"allow\": can only be true"},
             {"[[rule]]\nmethod = \"a\"\nallow = true", "p.toml:2: \"method\": needs service"},
             {"[[rule]]\nservice = \"A B\"\nallow = true", "p.toml:2: \"service\""},
             {"[[rule]]\nid = \"anna\"\nallow = true", "p.toml:2: \"id\": \"anna\" is not an id"},
             {"[[rule]]\ngroup = \"x\"\nallow = true", "there is no [group.x]"},
             {"[group.x]\n", "ids or ids-file is missing"},
             {"[group.x]\nids-file = \"gone.txt\"", "p.toml:2: \"ids-file\": gone.txt: not found"},
             {"[group.x]\nids-file = \"bad.txt\"", "bad.txt:2: \"nonsense\" is not an id"},
             {"[[rule]]\ncid = \"bafy\"\ndeny = true", "p.toml:2: \"cid\""},
             {"[[rule]]\nname = \"x\"\nallow = true", "go with deny = true alone"},
             {"[[rule]]\nname = \"x\"\nservice = \"s\"\ndeny = true", "go with deny = true alone"},
             {"[[rule]]\nrate-limit = { per-second = -1 }", "p.toml:2: \"per-second\""},
             {"[[rule]]\nrate-limit = { per-second = 0 }", "has to be above 0"},
             {"[[rule]]\nmin-payment = { amount = 1 }", "p.toml:2: \"currency\""},
             {"[[rule]]\nmin-payment = { currency = \"USDC\", amount = 0.5 }", "\"amount\""},
             {"[[rule]]\ndefer = { currency = \"USDC\", amount = 5 }", "\"time\": is missing"},
             {"[[rule]]\ndefer = { currency = \"X\", amount = 5, total = 4, time = \"1d\" }",
                 "is less than one identity may owe"},
             {"[[rule]]\nrequire = { age = \"soon\" }", "\"age\": must be a time"},
             {"[[rule]]\nrequire = { }", "nothing is required"},
             {"[[rule]]\nprice = { currency = \"X\", base = 1, when = [ { base = 2 } ] }",
                 "needs a condition"},
             {"[[rule]]\nprice = { currency = \"X\", base = 1, when = [ { hours = \"6-7\" } ] }",
                 "\"hours\""},
             {"[[rule]]\naccept = { below = 101 }", "\"below\""},
             {"[[rule]]\nreputation = { at-least = 2, below = 1 }\nallow = true", "above at-least"},
             {"a = \"\xff\"", "p.toml:1: "}}) {
        EXPECT_THAT(error_of(text, {{"bad.txt", kAnna + "\nnonsense\n"}}), HasSubstr(wanted))
            << text;
    }
}

TEST(PolicyFile, HasLimits) {
    EXPECT_THAT(error_of(std::string((64U << 20U) + 1, '#')), HasSubstr("more than 64 MiB"));
    std::string deep = "a = ";
    for (int i = 0; i < 100'000; ++i) {
        deep += "[";
    }
    EXPECT_THAT(error_of(deep), HasSubstr("p.toml:1"));
    std::string lists;
    for (int i = 0; i < 65; ++i) {
        lists += "[[rule]]\nid = \"" + kAnna + "\"\nallow = true\n";
    }
    EXPECT_THAT(error_of(lists), HasSubstr("in more than 64 lists"));
    EXPECT_THAT(error_of("[group.x]\nids-file = \"x\"\n[group.y]\nids-file = \"x\"\n",
                    {{"x", std::string(40U << 20U, '\n')}}),
        HasSubstr("p.toml:4"));
}

}  // namespace
}  // namespace decloud::policy
