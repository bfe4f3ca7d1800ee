#include "bidding.hpp"

#include <utility>

namespace decloud::client {

namespace {

class AcceptQuote final : public Bidding {
  public:
    AcceptQuote(Amount budget, std::optional<Amount> quoted) : budget_(budget), quoted_(quoted) {}
    [[nodiscard]] Bid first() override {
        const bool is_good = quoted_ && *quoted_ <= budget_;
        return is_good ? Bid{Bid::Kind::attached, *quoted_} : Bid{};
    }
    [[nodiscard]] std::optional<Bid> next(const Bid& bid, const Declined& declined) override {
        // A price that went up since is followed, one that stays is no reason to ask again; but
        // what was declined first may have been the quote, which is good for a while only.
        const bool was_quoted = std::exchange(quoted_, std::nullopt).has_value();
        if (!declined.asked || *declined.asked > budget_ ||
            (!was_quoted && *declined.asked <= bid.amount)) {
            return std::nullopt;
        }
        return Bid{Bid::Kind::attached, *declined.asked};
    }

  private:
    Amount budget_;
    std::optional<Amount> quoted_;
};

}  // namespace

std::unique_ptr<Bidding> make_accept_quote_bidding(Amount budget, std::optional<Amount> quoted) {
    return std::make_unique<AcceptQuote>(budget, quoted);
}

}  // namespace decloud::client
