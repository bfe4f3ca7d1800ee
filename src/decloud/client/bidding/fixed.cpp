#include "bidding.hpp"

namespace decloud::client {

namespace {

class Fixed final : public Bidding {
  public:
    explicit Fixed(Amount budget) : budget_(budget) {}
    [[nodiscard]] Bid first() override { return {Bid::Kind::attached, budget_}; }
    [[nodiscard]] std::optional<Bid> next(
        const Bid& /*bid*/, const Declined& /*declined*/) override {
        return std::nullopt;
    }

  private:
    Amount budget_;
};

}  // namespace

std::unique_ptr<Bidding> make_fixed_bidding(Amount budget) {
    return std::make_unique<Fixed>(budget);
}

}  // namespace decloud::client
