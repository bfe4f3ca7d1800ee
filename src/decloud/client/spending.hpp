#pragma once

#include <decloud/base/clock.hpp>
#include <decloud/base/evm_types.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>
#include <decloud/store/sqlite.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace decloud::client {

/// The most that this home pays for by itself, in USDC's smallest unit. Days are UTC's.
struct SpendingLimits {
    /// For one call.
    Amount max_price{100'000};
    /// To one provider, and to one receiving account, in a day.
    Amount max_per_provider{1'000'000};
    /// To all together in a day.
    Amount max_per_day{5'000'000};
    friend bool operator==(const SpendingLimits&, const SpendingLimits&) = default;
};

/// What became of an amount that was booked. Kept on disk: values never change.
enum class PaymentState : std::uint8_t {
    /// It may have left, and nobody has said what became of it. Counts.
    booked = 1,
    /// It was taken. Counts.
    taken = 2,
    /// The other side says that it did not take it, and still could. Counts.
    refused = 3,
    /// It was certainly not taken. Does not count.
    returned = 4,
};
/// "booked", "taken", "refused", "returned".
[[nodiscard]] std::string_view to_string(PaymentState state);

/// What is booked before a payment leaves.
struct NewPayment {
    /// "x402", "authorization".
    std::string method;
    Address account;
    /// Whom the day's limit is of: an address, or an origin such as "https://host".
    std::string provider;
    /// Where the money goes; it has the same limit.
    Address pay_to;
    /// What was called, without its query.
    std::string resource;
    /// CAIP-19: "eip155:84532/erc20:0x…".
    std::string asset;
    /// The most that can be taken.
    Amount amount;
    /// What the chain or the provider knows it by.
    Bytes32 nonce;
    /// When it cannot be taken any more.
    UnixSeconds valid_before;
};

/// One payment of this home.
struct PaymentRecord {
    std::int64_t id = 0;
    UnixSeconds time;
    NewPayment payment;
    PaymentState state = PaymentState::booked;
    /// What was taken, once it is known.
    std::optional<Amount> taken;
    std::optional<Bytes32> transaction;
    /// As the answer named it: a path ("/receipts/…") at the provider, or empty.
    std::string receipt;
    std::string note;
};

/// How it is known that a payment was taken.
struct PaymentProof {
    /// Nothing: at most what was booked.
    std::optional<Amount> amount;
    std::optional<Bytes32> transaction;
    std::string receipt;
};

/// What this home pays, booked durably before it leaves, so that the limits hold also over a kill
/// and for several processes at once. Blocks for a write to the disk. Not thread safe; one object
/// per thread.
class SpendingBook {
  public:
    /// `clock` outlives it. Errors: as `store::Database::open`.
    [[nodiscard]] static Result<SpendingBook> open(
        const std::filesystem::path& file, SpendingLimits limits, const Clock& clock);

    /// As given.
    [[nodiscard]] const SpendingLimits& limits() const { return limits_; }
    /// The payment's number; it is on disk when this returns, and may leave. Errors:
    /// ClientError::payment naming the limit that it would pass; StoreError, CommonError.
    [[nodiscard]] Result<std::int64_t> book(const NewPayment& payment);
    /// Errors, here and below: as the database's; CommonError::not_found.
    [[nodiscard]] Result<void> taken(std::int64_t id, const PaymentProof& proof);
    /// Leaves one that is known to be taken as it is.
    [[nodiscard]] Result<void> refused(std::int64_t id, std::string_view reason);
    /// Only when it is certain that nobody has taken it or can.
    [[nodiscard]] Result<void> give_back(std::int64_t id, std::string_view reason);

    /// All of an account, oldest first.
    [[nodiscard]] Result<std::vector<PaymentRecord>> payments(const Address& account);
    /// What counts against the limits of today.
    [[nodiscard]] Result<Amount> spent_today();

  private:
    SpendingBook(store::Database database, SpendingLimits limits, const Clock& clock)
        : database_(std::move(database)), limits_(limits), clock_(&clock) {}
    [[nodiscard]] Result<Amount> counted(std::string_view where, std::string_view value);
    [[nodiscard]] Result<void> check(const NewPayment& payment);
    [[nodiscard]] Result<void> update(std::int64_t id, PaymentState state, std::string_view note);
    [[nodiscard]] std::int64_t today() const;

    store::Database database_;
    SpendingLimits limits_;
    const Clock* clock_;
};

}  // namespace decloud::client
