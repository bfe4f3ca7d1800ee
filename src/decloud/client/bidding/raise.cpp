#include "bidding.hpp"

#include <algorithm>

namespace decloud::client {

namespace {

constexpr unsigned kFirstPart = 10;

class Raise final : public Bidding {
  public:
    Raise(Amount budget, unsigned step_percent) : budget_(budget), step_percent_(step_percent) {}
    [[nodiscard]] Bid first() override {
        return {Bid::Kind::attached, Amount(std::max<Uint128>(1, budget_.units() / kFirstPart))};
    }
    [[nodiscard]] std::optional<Bid> next(const Bid& bid, const Declined& declined) override {
        if (declined.why != Declined::Why::too_low || bid.amount >= budget_) {
            return std::nullopt;
        }
        const Uint128 more = (bid.amount.units() * step_percent_ + 99) / 100;
        return Bid{Bid::Kind::attached, std::min(Amount(bid.amount.units() + more), budget_)};
    }

  private:
    Amount budget_;
    unsigned step_percent_;
};

}  // namespace

std::unique_ptr<Bidding> make_raise_bidding(Amount budget, unsigned step_percent) {
    return std::make_unique<Raise>(budget, step_percent);
}

}  // namespace decloud::client
