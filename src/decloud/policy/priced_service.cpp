#include "priced_service.hpp"

#include "internal/asking.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace decloud::policy {

using protocol::Checked;
using protocol::Completion;

namespace {

/// `amount` × `to` / `from`, rounded up; at most all there is.
Amount in_proportion(Amount amount, Amount from, Amount to) {
    if (amount == from) {
        return to;
    }
    if (from.is_zero()) {
        return {};
    }
    constexpr Uint128 kMost = std::numeric_limits<Uint128>::max();
    const Uint128 whole = amount.units() / from.units();
    const Uint128 rest = amount.units() % from.units();
    if (to.units() != 0 && (whole > kMost / 2 / to.units() || rest > kMost / 2 / to.units())) {
        return Amount(kMost);
    }
    return Amount(whole * to.units() + (rest * to.units() + from.units() - 1) / from.units());
}

/// The money as the service counts it, at its own price.
class PricedCharge final : public protocol::Charge {
  public:
    PricedCharge(protocol::Charge& charge, Amount own, Amount policy)
        : charge_(charge), own_(own), policy_(policy) {}
    [[nodiscard]] std::optional<Address> caller() const override { return charge_.caller(); }
    [[nodiscard]] Amount held() const override {
        const Amount held = charge_.held();
        return held < policy_ ? Amount() : in_proportion(held, policy_, own_);
    }
    Result<void> extend(Amount more) override {
        return charge_.extend(in_proportion(more, own_, policy_));
    }

  private:
    protocol::Charge& charge_;
    Amount own_;
    Amount policy_;
};

class PricedCall final : public protocol::PreparedCall {
  public:
    PricedCall(std::unique_ptr<protocol::PreparedCall> call, Amount price)
        : call_(std::move(call)), terms_(call_->terms()) {
        terms_.max_price = price;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& charge,
        async::CancellationToken gone) override {
        const Amount own = call_->terms().max_price;
        PricedCharge priced(charge, own, terms_.max_price);
        Completion completion = co_await call_->serve(body, responder, priced, std::move(gone));
        if (own.is_zero() && completion.problem) {
            co_return completion;
        }
        completion.actual =
            std::min(in_proportion(completion.actual, own, terms_.max_price), charge.held());
        co_return completion;
    }

  private:
    std::unique_ptr<protocol::PreparedCall> call_;
    protocol::Terms terms_;
};

class PricedService final : public protocol::Service {
  public:
    PricedService(std::unique_ptr<protocol::Service> service,
        AdmissionSettings settings,
        const PolicyKeeper& keeper,
        const Clock& clock)
        : service_(std::move(service)), asking_(std::move(settings), clock), keeper_(keeper) {}

    [[nodiscard]] std::string_view name() const override { return service_->name(); }
    [[nodiscard]] protocol::ServiceDescription description() const override {
        return service_->description();
    }
    [[nodiscard]] protocol::ServiceDescription description_for(
        const protocol::Call& call) const override {
        protocol::ServiceDescription out = service_->description_for(call);
        for (protocol::MethodDescription& method : out.methods) {
            if (!method.price.currency.text.empty()) {
                reprice(call, method);
            }
        }
        return out;
    }

    [[nodiscard]] async::Task<Checked<std::unique_ptr<protocol::PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        auto prepared = co_await service_->prepare(call);
        if (!prepared) {
            co_return prepared;
        }
        const protocol::Terms& terms = (*prepared)->terms();
        const Amount price = price_of(*call, terms);
        if (price == terms.max_price) {
            co_return prepared;
        }
        co_return std::make_unique<PricedCall>(std::move(*prepared), price);
    }

  private:
    /// The policy's price is of a call, whatever it counts else.
    void reprice(const protocol::Call& call, protocol::MethodDescription& method) const {
        const std::shared_ptr<const Policy> policy = keeper_.current();
        protocol::Call asked = call;
        asked.method = method.name;
        protocol::Terms terms;
        terms.asset = method.price.currency;
        const auto own = protocol::price_of(method.price, {{"call", 1}});
        terms.max_price = own.value_or(method.price.base);
        const Decision decision = policy->decide(asking_.ask_price(asked, terms));
        const bool is_by_call = own && method.price.per_unit.size() == 1;
        if (!decision.quote && (!is_by_call || decision.least_payment <= terms.max_price)) {
            return;
        }
        for (auto& [unit, amount] : method.price.per_unit) {
            amount = {};
        }
        method.price.base = {};
        method.price.per_unit["call"] =
            std::max(decision.quote.value_or(terms.max_price), decision.least_payment);
    }

    Amount price_of(const protocol::Call& call, const protocol::Terms& terms) {
        const std::shared_ptr<const Policy> policy = keeper_.current();
        if (terms.asset.text.empty() || policy->rules().empty()) {
            return terms.max_price;
        }
        const Question question = asking_.ask_price(call, terms);
        const Decision decision = policy->decide(question);
        return std::max(decision.quote.value_or(terms.max_price), decision.least_payment);
    }

    std::unique_ptr<protocol::Service> service_;
    /// Remembers the machine's load for a second.
    mutable internal::Asking asking_;
    const PolicyKeeper& keeper_;
};

}  // namespace

std::unique_ptr<protocol::Service> make_priced_service(std::unique_ptr<protocol::Service> service,
    AdmissionSettings settings,
    const PolicyKeeper& keeper,
    const Clock& clock) {
    return std::make_unique<PricedService>(std::move(service), std::move(settings), keeper, clock);
}

}  // namespace decloud::policy
