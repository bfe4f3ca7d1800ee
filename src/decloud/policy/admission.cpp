#include "admission.hpp"

#include "barring.hpp"
#include "internal/asking.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace decloud::policy {

using protocol::Checked;
using protocol::Status;

namespace {

/// The token buckets of a request: of each credential that the rule is about, else of its address.
void for_each_bucket(const Policy& policy,
    const Decision& decision,
    const Question& question,
    std::string_view client,
    const std::function<void(const Rule&, std::string_view whose)>& visit) {
    for (const Rule* rule : decision.of(Command::rate_limit)) {
        bool found = false;
        for (const Credential& credential : question.credentials) {
            const bool per_client = rule->rate_limit && rule->rate_limit->per_client;
            if (!per_client && policy.fits(*rule, credential, question)) {
                visit(*rule, credential.id);
                found = true;
            }
        }
        if (!found) {
            visit(*rule, client);
        }
    }
}

class PolicyRule final : public protocol::Admission {
  public:
    PolicyRule(AdmissionSettings settings,
        const PolicyKeeper& keeper,
        const Clock& clock,
        metrics::Registry& metrics)
        : asking_(std::move(settings), clock),
          keeper_(keeper),
          clock_(clock),
          limiter_(asking_.settings().max_buckets),
          refused_(metrics.counter(
              "decloud_policy_refused_total", "Requests that the policy refused.", {})) {}

    [[nodiscard]] std::string_view name() const override { return "policy"; }

    [[nodiscard]] async::Task<Checked<protocol::HeaderFields>> check(
        std::shared_ptr<const protocol::Call> call,
        std::shared_ptr<const protocol::Terms> terms) override {
        const std::shared_ptr<const Policy> policy = keeper_.current();
        if (FactsView* facts = asking_.settings().facts;
            facts != nullptr && policy->requires_facts()) {
            co_await facts->learn(call->credentials);
        }
        auto verdict = decide(*policy, *call, *terms);
        if (!verdict) {
            refused_.increment();
        }
        co_return verdict;
    }

  private:
    Checked<protocol::HeaderFields> decide(
        const Policy& policy, const protocol::Call& call, const protocol::Terms& terms) {
        if (policy.size().contents > 0) {
            if (auto open = bar_content(policy, call); !open) {
                return std::unexpected(std::move(open.error()));
            }
            const Content content{.cid = terms.subject,
                .owner = terms.sponsor ? std::optional(terms.sponsor->owner) : std::nullopt};
            if (const Rule* rule = policy.barring(content)) {
                return barred_by(*rule);
            }
            const Rule* program = terms.program ? policy.barring({.cid = *terms.program}) : nullptr;
            if (program != nullptr) {
                return barred_by(*program);
            }
        }
        const internal::Promise promise = internal::read_promise(call.payment);
        const Question question = asking_.ask(call, terms, promise);
        const Decision decision = policy.decide(question);
        if (decision.verdict != Verdict::allowed) {
            return std::unexpected(problem_of(decision, question));
        }
        return limit(policy, decision, question, call.client);
    }

    static protocol::Problem problem_of(const Decision& decision, const Question& question) {
        const std::string detail = tell_caller(decision, question);
        switch (decision.verdict) {
            case Verdict::too_low:
                return protocol::payment_required(
                    Status::payment_too_low, detail, "offer more, or ask another provider", {});
            case Verdict::no_defer:
                return protocol::payment_required(
                    Status::payment_no_defer, detail, "attach a payment", {});
            case Verdict::unmet:
                return protocol::refuse(
                    403, Status::declined, detail, "sign the request with such a credential")
                    .error();
            case Verdict::allowed:
            case Verdict::denied:
            case Verdict::too_much_work:
                break;
        }
        return protocol::refuse(403, Status::declined, detail).error();
    }

    Checked<protocol::HeaderFields> limit(const Policy& policy,
        const Decision& decision,
        const Question& question,
        const std::string& client) {
        std::vector<RateKey> keys;
        for_each_bucket(
            policy, decision, question, client, [&](const Rule& rule, std::string_view whose) {
                keys.push_back({rule.rate_limit.value_or(RateLimit{}),
                    fmt::format("{:016x} {}", rule.fingerprint, whose)});
            });
        if (keys.empty()) {
            return protocol::HeaderFields{};
        }
        const RateAnswer answer = limiter_.take(keys, clock_.now());
        protocol::HeaderFields told{
            {"RateLimit", fmt::format(R"("policy";r={};t={})", answer.remaining,
                              std::max<std::int64_t>(1, answer.wait.count()))},
            {"RateLimit-Policy",
                fmt::format(R"("policy";q={};w={})", answer.quota, answer.window.count())}};
        if (answer.allowed) {
            return told;
        }
        const std::string seconds = std::to_string(std::max<std::int64_t>(1, answer.wait.count()));
        auto refusal = protocol::refuse(429, Status::declined,
            "more requests than this node's policy takes", "try again in " + seconds + " s");
        refusal.error().headers.emplace_back("Retry-After", seconds);
        std::ranges::move(told, std::back_inserter(refusal.error().headers));
        return refusal;
    }

    internal::Asking asking_;
    const PolicyKeeper& keeper_;
    const Clock& clock_;
    RateLimiter limiter_;
    metrics::Counter& refused_;
};

}  // namespace

std::vector<std::string> bucket_owners(const Policy& policy,
    const Decision& decision,
    const Question& question,
    std::string_view client) {
    std::vector<std::string> out;
    for_each_bucket(
        policy, decision, question, client, [&](const Rule& rule, std::string_view whose) {
            out.push_back(fmt::format("{} by {}", whose, rule.name));
        });
    return out;
}

std::uint32_t machine_load() {
    double average = 0;
    const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
    if (::getloadavg(&average, 1) != 1 || processors < 1) {
        return 0;
    }
    return static_cast<std::uint32_t>(
        std::clamp(average * 100 / static_cast<double>(processors), 0.0, 100'000.0));
}

std::unique_ptr<protocol::Admission> make_policy_rule(AdmissionSettings settings,
    const PolicyKeeper& keeper,
    const Clock& clock,
    metrics::Registry& metrics) {
    return std::make_unique<PolicyRule>(std::move(settings), keeper, clock, metrics);
}

}  // namespace decloud::policy
