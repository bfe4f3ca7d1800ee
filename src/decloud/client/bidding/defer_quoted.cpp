#include "bidding.hpp"

namespace decloud::client {

namespace {

class DeferQuoted final : public Bidding {
  public:
    explicit DeferQuoted(Amount budget) : budget_(budget) {}
    [[nodiscard]] Bid first() override { return {}; }
    [[nodiscard]] std::optional<Bid> next(const Bid& bid, const Declined& declined) override {
        if (bid.kind != Bid::Kind::nothing || !declined.asked || *declined.asked > budget_) {
            return std::nullopt;
        }
        return Bid{Bid::Kind::deferred, *declined.asked};
    }

  private:
    Amount budget_;
};

}  // namespace

std::unique_ptr<Bidding> make_defer_quoted_bidding(Amount budget) {
    return std::make_unique<DeferQuoted>(budget);
}

}  // namespace decloud::client
