// One decision of a policy with many rules and known ids: policy_bench RULES IDS SECONDS. Prints a
// line of JSON. Whoever asks presents a did:key and an account; every second did:key is known.

#include <decloud/policy/policy.hpp>

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace decloud;  // NOLINT(google-build-using-namespace)
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kServices = 500;

/// Base58 digits that tell one id from another, in the length of a real one.
std::string did(std::size_t number) {
    constexpr std::string_view kDigits =
        "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    std::string out = "did:key:z6Mk";
    std::uint64_t state = number * 0x9e3779b97f4a7c15ULL + 1;
    for (int i = 0; i < 44; ++i) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        out += kDigits.at((state >> 33U) % kDigits.size());
    }
    return out;
}

std::string account(std::size_t number) { return fmt::format("0x{:040x}", number * 7919); }

/// One rule of each: for a service or method, for a kind there, for one id, for a list of ids.
std::string rule(std::size_t number) {
    const std::size_t service = number / 4 % kServices;
    const std::string what =
        fmt::format("[[rule]]\nservice = \"s{}\"\nmethod = \"m{}\"\n", service, number % 3);
    switch (number % 4) {
        case 0:
            return fmt::format(
                "{}min-payment = {{ currency = \"USDC\", amount = {} }}\nprice = {{ currency = "
                "\"USDC\", base = {}, when = [ {{ load-at-least = 80, base = 900 }} ] }}\n",
                what, number % 50, number % 100);
        case 1:
            return what + "kind = \"ethereum\"\nrate-limit = { per-second = 5 }\nmax-work = 100\n";
        case 2:
            return fmt::format(
                "{}id = \"{}\"\ndefer = {{ currency = \"USDC\", amount = 5, time = "
                "\"1d\" }}\nallow = true\n",
                what, did(number));
        default:
            return what + "group = \"known\"\nallow = true\naccept = { below = 10 }\n";
    }
}

Result<policy::Policy> make(std::size_t rules, std::size_t ids) {
    std::string text = "default = \"deny\"\n[group.known]\nids-file = \"known.txt\"\n";
    for (std::size_t i = 0; i < rules; ++i) {
        text += rule(i);
    }
    return policy::Policy::parse(
        text, "policy.toml", [ids](const std::string&, std::uint64_t) -> Result<std::string> {
            std::string known;
            known.reserve(ids * 57);
            for (std::size_t i = 0; i < ids; ++i) {
                known.append(did(i)).append("\n");
            }
            return known;
        });
}

/// What others do at the same time is not in it.
double processor_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Asker {
    std::array<policy::Credential, 2> credentials;
    std::string service;
    std::string method;
};

std::vector<Asker> make_askers(std::size_t ids) {
    std::mt19937_64 random(1);  // NOLINT(bugprone-random-generator-seed): the same each time
    std::vector<Asker> out(100'000);
    for (Asker& asker : out) {
        asker.credentials = {policy::Credential{"opencloud", did(random() % (2 * ids))},
            policy::Credential{"ethereum", account(random() % 1000)}};
        asker.service = fmt::format("s{}", random() % kServices);
        asker.method = fmt::format("m{}", random() % 3);
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> args(argv, static_cast<std::size_t>(argc));
    const std::size_t rules = args.size() > 1 ? std::strtoull(args[1], nullptr, 10) : 10'000;
    const std::size_t ids = args.size() > 2 ? std::strtoull(args[2], nullptr, 10) : 1'000'000;
    const double seconds = args.size() > 3 ? std::strtod(args[3], nullptr) : 2;
    const auto before = SteadyClock::now();
    const auto policy = make(rules, ids);
    if (!policy) {
        fmt::print(stderr, "{}\n", policy.error().message());
        return 1;
    }
    const double loaded = std::chrono::duration<double>(SteadyClock::now() - before).count();
    const std::vector<Asker> askers = make_askers(ids);
    std::size_t decisions = 0;
    std::size_t allowed = 0;
    std::size_t winners = 0;
    const double used_before = processor_seconds();
    const auto start = SteadyClock::now();
    double passed = 0;
    while (passed < seconds) {
        for (const Asker& asker : askers) {
            policy::Question question{.service = asker.service, .method = asker.method};
            question.credentials = asker.credentials;
            question.currency = "USDC";
            question.amount = Amount(100);
            const policy::Decision decision = policy->decide(question);
            allowed += decision.verdict == policy::Verdict::allowed ? 1 : 0;
            for (const policy::Winners& each : decision.winners) {
                winners += each.size();
            }
        }
        decisions += askers.size();
        passed = std::chrono::duration<double>(SteadyClock::now() - start).count();
    }
    const double used = processor_seconds() - used_before;
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto count = static_cast<double>(decisions);
    fmt::print(
        "{{\"rules\":{},\"ids\":{},\"load_seconds\":{:.2f},\"microseconds\":{:.3f},"
        "\"processor_microseconds\":{:.3f},"
        "\"allowed\":{:.2f},\"winners\":{:.1f},\"memory_mib\":{}}}\n",
        policy->size().rules, policy->size().ids, loaded, passed * 1e6 / count, used * 1e6 / count,
        static_cast<double>(allowed) / count, static_cast<double>(winners) / count,
        usage.ru_maxrss / 1024);
    return 0;
}
