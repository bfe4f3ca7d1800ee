#include "repriced_call.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace decloud::protocol {

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
class RepricedCharge final : public Charge {
  public:
    RepricedCharge(Charge& charge, Amount own, Amount price)
        : charge_(charge), own_(own), price_(price) {}
    [[nodiscard]] std::optional<Address> caller() const override { return charge_.caller(); }
    [[nodiscard]] Amount held() const override {
        const Amount held = charge_.held();
        return held < price_ ? Amount() : in_proportion(held, price_, own_);
    }
    Result<void> extend(Amount more) override {
        return charge_.extend(in_proportion(more, own_, price_));
    }

  private:
    Charge& charge_;
    Amount own_;
    Amount price_;
};

class RepricedCall final : public PreparedCall {
  public:
    RepricedCall(std::unique_ptr<PreparedCall> call, Amount most, PriceModel rates)
        : call_(std::move(call)), terms_(call_->terms()), rates_(std::move(rates)) {
        terms_.max_price = most;
        // What is charged for by time or work is charged for all of it, whatever the answer is.
        if (std::ranges::any_of(rates_.per_unit,
                [](const auto& rate) { return rate.first != "call" && !rate.second.is_zero(); })) {
            terms_.stream_interval = {};
        }
    }

    [[nodiscard]] const Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(RequestBody& body,
        Responder& responder,
        Charge& charge,
        async::CancellationToken gone) override {
        const Amount own = call_->terms().max_price;
        RepricedCharge priced(charge, own, terms_.max_price);
        Completion completion = co_await call_->serve(body, responder, priced, std::move(gone));
        if (own.is_zero() && completion.problem) {
            co_return completion;
        }
        const auto counted = charge_for(rates_, completion.delivered);
        const Amount cost =
            counted.value_or(in_proportion(completion.actual, own, terms_.max_price));
        completion.actual = std::min({cost, terms_.max_price, charge.held()});
        co_return completion;
    }

  private:
    std::unique_ptr<PreparedCall> call_;
    Terms terms_;
    PriceModel rates_;
};

}  // namespace

std::unique_ptr<PreparedCall> make_repriced_call(
    std::unique_ptr<PreparedCall> call, Amount most, PriceModel rates) {
    return std::make_unique<RepricedCall>(std::move(call), most, std::move(rates));
}

std::optional<Amount> charge_for(const PriceModel& rates, const UnitThousandths& units) {
    if (units.empty() || rates.currency.text.empty()) {
        return std::nullopt;
    }
    Amount total = rates.base;
    for (const auto& [unit, rate] : rates.per_unit) {
        const auto counted = units.find(unit);
        if (counted == units.end()) {
            return std::nullopt;
        }
        const auto thousandfold = rate.times(counted->second);
        const auto sum =
            thousandfold ? total.plus(Amount((thousandfold->units() + 999) / 1000)) : thousandfold;
        total = sum.value_or(Amount(std::numeric_limits<Uint128>::max()));
    }
    return std::max(total, rates.least);
}

}  // namespace decloud::protocol
