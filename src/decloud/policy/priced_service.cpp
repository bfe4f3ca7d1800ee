#include "priced_service.hpp"

#include "internal/asking.hpp"

#include <decloud/protocol/repriced_call.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace decloud::policy {

using protocol::Checked;

namespace {

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
        const std::shared_ptr<const Policy> policy = keeper_.current();
        // What was quoted is not asked again.
        if (terms.asset.text.empty() || policy->rules().empty() || call->quote) {
            co_return prepared;
        }
        const Decision decision = policy->decide(asking_.ask_price(*call, terms));
        const Amount most =
            std::max(decision.quote.value_or(terms.max_price), decision.least_payment);
        if (decision.rates == nullptr && most == terms.max_price) {
            co_return prepared;
        }
        protocol::PriceModel rates;
        if (decision.rates != nullptr) {
            rates = model_of(decision, terms.asset, terms.unit);
        }
        co_return protocol::make_repriced_call(std::move(*prepared), most, std::move(rates));
    }

  private:
    /// What a quote that is asked for counts; elsewhere one of the method's own unit.
    static protocol::UnitCounts units_asked(
        const protocol::Call& call, const protocol::MethodDescription& method) {
        protocol::UnitCounts units{{method.unit, 1}};
        if (call.method != "quote" || call.args.empty() || call.args.front() != method.name) {
            return units;
        }
        for (const std::string& arg : call.args) {
            const std::size_t equals = arg.find('=');
            if (equals != std::string::npos) {
                std::uint64_t count = 0;
                (void)std::from_chars(arg.data() + equals + 1, arg.data() + arg.size(), count);
                units[arg.substr(0, equals)] = count;
            }
        }
        return units;
    }

    static protocol::PriceModel model_of(
        const Decision& decision, const AssetId& asset, const std::string& own_unit) {
        protocol::PriceModel out{.currency = asset, .base = {}, .least = decision.least_payment};
        if (decision.rates == nullptr) {
            return out;
        }
        out.base = decision.rates->base;
        out.per_unit = decision.rates->per;
        Amount& own = out.per_unit[own_unit];
        own = own.plus(decision.rates->per_unit).value_or(own);
        if (own_unit == "call") {
            own = own.plus(std::exchange(out.base, Amount())).value_or(own);
        } else if (own.is_zero()) {
            out.per_unit.erase(own_unit);
        }
        return out;
    }

    void reprice(const protocol::Call& call, protocol::MethodDescription& method) const {
        const std::shared_ptr<const Policy> policy = keeper_.current();
        protocol::Call asked = call;
        asked.method = method.name;
        protocol::Terms terms;
        terms.asset = method.price.currency;
        terms.units = units_asked(call, method);
        terms.unit = method.unit;
        const auto own = protocol::price_of(method.price, {{"call", 1}});
        terms.max_price = own.value_or(method.price.base);
        const Decision decision = policy->decide(asking_.ask_price(asked, terms));
        protocol::PriceModel& price = method.price;
        if (decision.rates != nullptr) {
            price = model_of(decision, price.currency, method.unit);
            return;
        }
        const bool is_by_call = own && price.per_unit.size() == 1 && price.base.is_zero();
        if (is_by_call && decision.least_payment > *own) {
            price.per_unit["call"] = decision.least_payment;
        } else {
            price.least = std::max(price.least, decision.least_payment);
        }
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
