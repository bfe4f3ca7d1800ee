#pragma once

#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <memory>
#include <optional>
#include <string_view>

namespace decloud::client {

/// What is offered for one request.
struct Bid {
    enum class Kind { nothing, attached, deferred };
    Kind kind = Kind::nothing;
    /// The most that is paid; zero for `nothing`.
    Amount amount{};
    friend bool operator==(const Bid&, const Bid&) = default;
};

/// Why an offer was declined (402).
struct Declined {
    enum class Why { too_low, no_defer, acceptable_payment };
    Why why = Why::acceptable_payment;
    /// The least that the node says it takes at once; none if it takes nothing of ours.
    std::optional<Amount> asked{};
};

/// A bidding strategy, for one request. It never offers more than its budget, and is asked again
/// only after an offer that was declined and cost nothing. Single threaded.
class Bidding {
  public:
    virtual ~Bidding() = default;
    [[nodiscard]] virtual Bid first() = 0;
    /// After `bid` was declined; none: it gives up.
    [[nodiscard]] virtual std::optional<Bid> next(const Bid& bid, const Declined& declined) = 0;
};

/// Offers `budget` once.
[[nodiscard]] std::unique_ptr<Bidding> make_fixed_bidding(Amount budget);
/// Pays what was quoted, if there is a quote; else asks without a payment, and pays the price that
/// the refusal quotes.
[[nodiscard]] std::unique_ptr<Bidding> make_accept_quote_bidding(
    Amount budget, std::optional<Amount> quoted = {});
/// Begins with a tenth of `budget` and offers `step_percent` more each time it was too low.
[[nodiscard]] std::unique_ptr<Bidding> make_raise_bidding(Amount budget, unsigned step_percent);
/// Promises first; where nobody may pay later, it pays the price that the refusal quotes.
[[nodiscard]] std::unique_ptr<Bidding> make_defer_first_bidding(Amount budget);
/// Asks without a payment, and promises the price that the refusal quotes.
[[nodiscard]] std::unique_ptr<Bidding> make_defer_quoted_bidding(Amount budget);

/// "fixed", "accept-quote", "raise:STEP%:MAX" (MAX in USDC, at most `budget`), "defer-first".
/// Error: ClientError::usage.
[[nodiscard]] Result<std::unique_ptr<Bidding>> parse_bidding(std::string_view text, Amount budget);

}  // namespace decloud::client
