#include "bidding.hpp"

namespace decloud::client {

namespace {

class AcceptQuote final : public Bidding {
  public:
    explicit AcceptQuote(Amount budget) : budget_(budget) {}
    [[nodiscard]] Bid first() override { return {}; }
    [[nodiscard]] std::optional<Bid> next(const Bid& bid, const Declined& declined) override {
        // A price that went up since is followed, one that stays is no reason to ask again.
        if (!declined.asked || *declined.asked > budget_ || *declined.asked <= bid.amount) {
            return std::nullopt;
        }
        return Bid{Bid::Kind::attached, *declined.asked};
    }

  private:
    Amount budget_;
};

}  // namespace

std::unique_ptr<Bidding> make_accept_quote_bidding(Amount budget) {
    return std::make_unique<AcceptQuote>(budget);
}

}  // namespace decloud::client
