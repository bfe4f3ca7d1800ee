#include "offers.hpp"

#include "internal/asking.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace decloud::policy {

protocol::LeastBidOf make_least_bid(
    AdmissionSettings settings, const PolicyKeeper& keeper, const Clock& clock) {
    auto asking = std::make_shared<internal::Asking>(std::move(settings), clock);
    return [asking = std::move(asking), &keeper](
               const protocol::Call& call, const protocol::Terms& terms) {
        const std::shared_ptr<const Policy> policy = keeper.current();
        const Decision decision = policy->decide(asking->ask_price(call, terms));
        return std::max(decision.least_bid.value_or(terms.max_price), decision.least_payment);
    };
}

protocol::PromiseLimitsOf make_promise_limits(
    AdmissionSettings settings, const PolicyKeeper& keeper, const Clock& clock) {
    auto asking = std::make_shared<internal::Asking>(std::move(settings), clock);
    return [asking = std::move(asking), &keeper](const protocol::Call& call,
               const protocol::Terms& terms) -> std::optional<protocol::PromiseLimits> {
        const std::shared_ptr<const Policy> policy = keeper.current();
        const Question question = asking->ask_price(call, terms);
        const Decision decision = policy->decide(question);
        std::optional<protocol::PromiseLimits> out;
        for (const Rule* rule : decision.of(Command::defer)) {
            if (!rule->defer || rule->defer->limit.amount.is_zero() ||
                rule->defer->limit.currency != question.currency) {
                return std::nullopt;
            }
            const Defer& defer = *rule->defer;
            const protocol::PromiseLimits one{.per_id = defer.limit.amount,
                .total = defer.total,
                .time = defer.time,
                .least = decision.least_bid.value_or(terms.max_price)};
            if (!out) {
                out = one;
                continue;
            }
            out->per_id = std::min(out->per_id, one.per_id);
            out->total = std::min(out->total, one.total);
            out->time = std::min(out->time, one.time);
        }
        if (out) {
            out->least = std::max(out->least, decision.least_payment);
        }
        return out;
    };
}

}  // namespace decloud::policy
