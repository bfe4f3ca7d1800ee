// Random policies beside the rules of precedence as they are written down, without any index.

#include "policy_test_support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

namespace decloud::policy {
namespace {

using Random = std::mt19937;

constexpr std::array kServices{"compute", "content"};
constexpr std::array kMethods{"call", "stop"};

bool one_in(Random& random, unsigned count) { return random() % count == 0; }

const std::string& pick_id(Random& random) {
    static const std::array known_ids{kAnna, kBert, kCora};
    return known_ids.at(random() % known_ids.size());
}

std::string random_rule(Random& random, std::size_t number) {
    std::string out = fmt::format("[[rule]]\nlabel = \"r{}\"\n", number);
    if (one_in(random, 2)) {
        out += fmt::format("service = \"{}\"\n", kServices.at(random() % 2));
        if (one_in(random, 2)) {
            out += fmt::format("method = \"{}\"\n", kMethods.at(random() % 2));
        }
    }
    if (one_in(random, 3)) {
        out += fmt::format("id = [\"{}\", \"{}\"]\n", pick_id(random), pick_id(random));
    }
    if (one_in(random, 4)) {
        out += one_in(random, 2) ? "kind = \"opencloud\"\n" : "kind = \"ethereum\"\n";
    }
    if (one_in(random, 4)) {
        const unsigned from = random() % 1'000'000;
        out += fmt::format("reputation = {{ at-least = {}, below = {} }}\n", from,
            from + 1 + random() % (1'000'001 - from));
    }
    if (one_in(random, 2)) {
        out += one_in(random, 3) ? "deny = true\n" : "allow = true\n";
    }
    if (one_in(random, 3)) {
        out += fmt::format("price = {{ currency = \"USDC\", base = {} }}\n", random() % 100);
    }
    if (one_in(random, 3)) {
        out +=
            fmt::format("min-payment = {{ currency = \"USDC\", amount = {} }}\n", random() % 100);
    }
    return out + fmt::format("max-work = {}\n", 1 + random() % 10);
}

bool one_fits(const Rule& rule, const Policy& policy, const Asked& asked) {
    return std::ranges::any_of(asked.credentials, [&](const Credential& credential) {
        return policy.fits(rule, credential, asked.question);
    });
}

bool fits(const Rule& rule, const Policy& policy, const Asked& asked) {
    const auto names = [](const std::vector<std::string>& list, std::string_view name) {
        return list.empty() || std::ranges::find(list, name) != list.end();
    };
    return names(rule.services, asked.question.service) &&
           names(rule.methods, asked.question.method) &&
           (rule.who_level() == WhoLevel::anybody || one_fits(rule, policy, asked));
}

/// Who before what.
std::pair<int, int> closeness(const Rule& rule) {
    const int what = rule.methods.empty() ? (rule.services.empty() ? 0 : 1) : 2;
    return {static_cast<int>(rule.who_level()), what};
}

std::set<std::string> closest(Command command, const Policy& policy, const Asked& asked) {
    std::set<std::string> out;
    std::pair<int, int> best{-1, -1};
    for (const Rule& rule : policy.rules()) {
        if (!rule.carries(command) || !fits(rule, policy, asked)) {
            continue;
        }
        auto here = closeness(rule);
        if (command == Command::access && rule.access == Access::deny &&
            rule.who_level() != WhoLevel::anybody) {
            here = {100, 0};
        }
        if (here > best) {
            best = here;
            out.clear();
        }
        if (here == best) {
            out.insert(rule.name);
        }
    }
    return out;
}

std::set<std::string> names(const Winners& winners) {
    std::set<std::string> out;
    for (const Rule* rule : winners) {
        out.insert(rule->name);
    }
    return out;
}

struct Drawn {
    std::vector<std::string> rules;
    std::string standard;
    Asked asked;
    Scores scores{{}};

    [[nodiscard]] Policy policy() const {
        return policy_of(standard + fmt::format("{}", fmt::join(rules, "")));
    }
};

Drawn draw(Random& random) {
    Drawn out;
    out.standard = one_in(random, 2) ? "default = \"deny\"\n" : "";
    const std::size_t count = random() % 12;
    for (std::size_t i = 0; i < count; ++i) {
        out.rules.push_back(random_rule(random, i));
    }
    std::map<std::string, std::uint32_t, std::less<>> scores;
    for (const std::string& id : {kAnna, kBert, kCora}) {
        scores[id] = static_cast<std::uint32_t>(random() % 1'000'001);
        if (one_in(random, 2)) {
            out.asked.credentials.push_back(credential(id));
        }
    }
    std::ranges::shuffle(out.asked.credentials, random);
    out.scores = Scores(std::move(scores));
    out.asked.question.service = kServices.at(random() % 2);
    out.asked.question.method = kMethods.at(random() % 2);
    out.asked.question.amount = Amount(random() % 100);
    out.asked.question.units = random() % 10;
    return out;
}

TEST(PolicyProperty, DecidesAsThePrecedenceIsWrittenDown) {
    Random random(1);  // NOLINT(bugprone-random-generator-seed): the same policies each time
    std::set<Verdict> seen;
    for (int round = 0; round < 2000; ++round) {
        Drawn drawn = draw(random);
        drawn.asked.question.reputation = &drawn.scores;
        const Policy policy = drawn.policy();
        const Decision decision = drawn.asked.of(policy);
        seen.insert(decision.verdict);
        for (std::size_t i = 0; i < kCommands; ++i) {
            const auto command = static_cast<Command>(i);
            ASSERT_EQ(names(decision.of(command)), closest(command, policy, drawn.asked))
                << to_string(command) << " in round " << round;
        }
        const Winners& access = decision.of(Command::access);
        const bool denied = access.empty() ? policy.standard() == Access::deny
                                           : std::ranges::any_of(access, [](const Rule* rule) {
                                                 return rule->access == Access::deny;
                                             });
        ASSERT_EQ(decision.verdict == Verdict::denied, denied) << round;
    }
    EXPECT_EQ(seen,
        (std::set{Verdict::allowed, Verdict::denied, Verdict::too_much_work, Verdict::too_low}));
}

TEST(PolicyProperty, NeverDependsOnTheOrderOfTheFileOrOfTheCredentials) {
    Random random(2);  // NOLINT(bugprone-random-generator-seed)
    for (int round = 0; round < 1000; ++round) {
        Drawn drawn = draw(random);
        drawn.asked.question.reputation = &drawn.scores;
        const Policy before = drawn.policy();
        const Decision first = drawn.asked.of(before);
        std::ranges::shuffle(drawn.rules, random);
        std::ranges::shuffle(drawn.asked.credentials, random);
        const Policy after = drawn.policy();
        const Decision second = drawn.asked.of(after);
        ASSERT_EQ(first.verdict, second.verdict) << round;
        ASSERT_EQ(first.quote, second.quote) << round;
        ASSERT_EQ(first.least_bid, second.least_bid) << round;
        for (std::size_t i = 0; i < kCommands; ++i) {
            ASSERT_EQ(names(first.winners[i]), names(second.winners[i])) << round;
        }
    }
}

TEST(PolicyProperty, DeniesAsSoonAsOneRuleDeniesOnePresentedCredential) {
    Random random(3);  // NOLINT(bugprone-random-generator-seed)
    for (int round = 0; round < 1000; ++round) {
        Drawn drawn = draw(random);
        drawn.asked.question.reputation = &drawn.scores;
        drawn.asked.credentials.push_back(credential(kCora));
        const auto place = static_cast<std::ptrdiff_t>(random() % (drawn.rules.size() + 1));
        drawn.rules.insert(
            drawn.rules.begin() + place, "[[rule]]\nid = \"" + kCora + "\"\ndeny = true\n");
        ASSERT_EQ(drawn.asked.verdict(drawn.policy()), Verdict::denied) << round;
    }
}

}  // namespace
}  // namespace decloud::policy
