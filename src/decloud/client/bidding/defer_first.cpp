#include "bidding.hpp"

namespace decloud::client {

namespace {

class DeferFirst final : public Bidding {
  public:
    explicit DeferFirst(Amount budget) : budget_(budget) {}
    [[nodiscard]] Bid first() override { return {Bid::Kind::deferred, budget_}; }
    [[nodiscard]] std::optional<Bid> next(const Bid& bid, const Declined& declined) override {
        const bool switches =
            bid.kind == Bid::Kind::deferred && declined.why != Declined::Why::too_low;
        if (!switches || !declined.asked || *declined.asked > budget_) {
            return std::nullopt;
        }
        return Bid{Bid::Kind::attached, *declined.asked};
    }

  private:
    Amount budget_;
};

}  // namespace

std::unique_ptr<Bidding> make_defer_first_bidding(Amount budget) {
    return std::make_unique<DeferFirst>(budget);
}

}  // namespace decloud::client
