#include "promise_book.hpp"

#include "error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace decloud::client {

namespace {

constexpr std::array<store::Migration, 1> kMigrations{{{1, R"(
    CREATE TABLE debts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        provider TEXT NOT NULL,
        id TEXT NOT NULL,
        currency TEXT NOT NULL,
        node TEXT NOT NULL,
        signed_for INTEGER NOT NULL,
        promised INTEGER NOT NULL DEFAULT 0,
        paid INTEGER NOT NULL DEFAULT 0,
        due INTEGER,
        threshold INTEGER NOT NULL,
        kept INTEGER NOT NULL DEFAULT 0,
        broken INTEGER NOT NULL DEFAULT 0,
        told INTEGER,
        last_due INTEGER NOT NULL DEFAULT 0,
        attempt_before INTEGER,
        attempt_until INTEGER NOT NULL DEFAULT 0,
        unacknowledged INTEGER NOT NULL DEFAULT 0,
        UNIQUE (provider, id, currency)
    );
)"}}};

constexpr const char* kColumns =
    "provider, id, currency, node, signed_for, promised, paid, due, threshold, kept, broken, told";
/// SQLite's integers hold sums of these.
constexpr Uint128 kMost = Uint128{1} << 50U;
constexpr std::int64_t kClockSkewSeconds = 60;

std::int64_t to_integer(Amount amount) { return static_cast<std::int64_t>(amount.units()); }
std::int64_t to_integer(UnixSeconds time) { return static_cast<std::int64_t>(time.value); }
Amount to_amount(std::int64_t units) { return Amount(static_cast<Uint128>(units)); }

std::optional<UnixSeconds> time_in(const store::Statement& row, int column) {
    return row.is_null(column)
               ? std::nullopt
               : std::optional(UnixSeconds{static_cast<std::uint64_t>(row.integer(column))});
}

OwnDebt read_row(const store::Statement& row) {
    OwnDebt out{.key = {.provider = row.text(0), .id = row.text(1), .currency = {row.text(2)}},
        .node = row.text(3),
        .signed_for = to_amount(row.integer(4)),
        .promised = to_amount(row.integer(5)),
        .paid = to_amount(row.integer(6))};
    out.due = time_in(row, 7);
    out.threshold = to_amount(row.integer(8));
    out.kept = static_cast<std::uint64_t>(row.integer(9));
    out.broken = static_cast<std::uint64_t>(row.integer(10));
    out.told = time_in(row, 11);
    return out;
}

DebtKey key_of(const std::string& provider, const protocol::Promise& promise) {
    return {.provider = provider, .id = promise.id, .currency = promise.currency};
}

std::unexpected<Error> passes(
    std::string_view what, Amount would_be, Amount limit, std::string_view flag) {
    return fail_with_help(ClientError::payment,
        fmt::format("{} would come to {} USDC, and the limit is {}", what, format_usdc(would_be),
            format_usdc(limit)),
        fmt::format("decloud daemon --once pays what is owed; {} raises the limit", flag));
}

}  // namespace

Result<PromiseBook> PromiseBook::open(
    const std::filesystem::path& file, SpendingLimits limits, const Clock& clock) {
    TRY(auto database, store::Database::open(file, kMigrations, std::chrono::seconds(30)));
    return PromiseBook(std::move(database), limits, clock);
}

Result<std::optional<OwnDebt>> PromiseBook::find(const DebtKey& key) {
    TRY(auto row,
        database_.prepare(fmt::format(
            "SELECT {} FROM debts WHERE provider = ? AND id = ? AND currency = ?", kColumns)));
    row.bind(1, key.provider).bind(2, key.id).bind(3, key.currency.text);
    TRY(const bool found, row.step());
    return found ? std::optional(read_row(row)) : std::nullopt;
}

Result<void> PromiseBook::check(const std::string& provider, Amount more) {
    if (more > limits_.max_price || more.units() > kMost) {
        return passes("this promise", more, limits_.max_price, "--max-price");
    }
    TRY(auto sum, database_.prepare("SELECT COALESCE(SUM(signed_for - paid), 0) FROM debts "
                                    "WHERE provider = ?"));
    sum.bind(1, provider);
    TRY_VOID(sum.step());
    TRY(const Amount after, to_amount(std::max<std::int64_t>(0, sum.integer(0))).plus(more));
    if (after > limits_.max_per_provider) {
        return passes("what " + provider + " has coming", after, limits_.max_per_provider,
            "--max-per-provider");
    }
    return {};
}

Result<void> PromiseBook::make(
    const std::string& provider, const std::string& node, const protocol::Promise& promise) {
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY_VOID(check(provider, promise.amount));
    TRY(auto row, database_.prepare(
                      "INSERT INTO debts (provider, id, currency, node, signed_for, threshold, "
                      "last_due) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (provider, id, currency) "
                      "DO UPDATE SET signed_for = signed_for + excluded.signed_for, node = "
                      "excluded.node, threshold = excluded.threshold, last_due = MAX(last_due, "
                      "excluded.last_due)"));
    TRY_VOID(row.bind(1, provider)
            .bind(2, promise.id)
            .bind(3, promise.currency.text)
            .bind(4, node)
            .bind(5, to_integer(promise.amount))
            .bind(6, to_integer(promise.threshold))
            .bind(7, to_integer(promise.due))
            .run());
    return transaction.commit();
}

Result<void> PromiseBook::returned(const std::string& provider, const protocol::Promise& promise) {
    const DebtKey key = key_of(provider, promise);
    TRY(auto row, database_.prepare("UPDATE debts SET signed_for = signed_for - ? WHERE provider = "
                                    "? AND id = ? AND currency = ?"));
    return row.bind(1, to_integer(promise.amount))
        .bind(2, key.provider)
        .bind(3, key.id)
        .bind(4, key.currency.text)
        .run();
}

Result<void> PromiseBook::update(const OwnDebt& debt) {
    TRY(auto row,
        database_.prepare("UPDATE debts SET promised = ?, paid = ?, due = ?, kept = ?, broken = ?, "
                          "told = ? WHERE provider = ? AND id = ? AND currency = ?"));
    row.bind(1, to_integer(debt.promised)).bind(2, to_integer(debt.paid));
    if (debt.due) {
        row.bind(3, to_integer(*debt.due));
    } else {
        row.bind_null(3);
    }
    return row.bind(4, static_cast<std::int64_t>(debt.kept))
        .bind(5, static_cast<std::int64_t>(debt.broken))
        .bind(6, to_integer(clock_->unix_seconds()))
        .bind(7, debt.key.provider)
        .bind(8, debt.key.id)
        .bind(9, debt.key.currency.text)
        .run();
}

Result<void> PromiseBook::note_owed(
    const DebtKey& key, Amount owed, std::optional<UnixSeconds> due) {
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY(auto known, find(key));
    TRY(const Amount promised, known ? known->paid.plus(owed) : Result<Amount>(Amount()));
    // It is not signed, so that it can only say what is possible.
    if (!known || promised > known->signed_for) {
        return {};
    }
    known->promised = promised;
    known->due = due;
    TRY_VOID(update(*known));
    return transaction.commit();
}

Result<void> PromiseBook::note(const OwnDebt& debt) {
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY(const auto known, find(debt.key));
    if (!known) {
        return fail(CommonError::not_found, "nothing was promised to " + debt.key.provider);
    }
    if (debt.promised > known->signed_for) {
        return fail_with_help(ClientError::payment,
            fmt::format("{} says that {} USDC were promised, and at most {} were",
                debt.key.provider, format_usdc(debt.promised), format_usdc(known->signed_for)),
            "it is not paid by itself; ask the provider");
    }
    if (debt.paid < known->paid || debt.paid > debt.promised) {
        return fail_with_help(ClientError::payment,
            fmt::format("{} says that {} USDC were paid, and {} were", debt.key.provider,
                format_usdc(debt.paid), format_usdc(known->paid)),
            "it is not paid by itself; decloud account history has the receipts");
    }
    TRY_VOID(update(debt));
    // No promise can be taken any more that was due before: the rest was never charged.
    TRY(auto rest,
        database_.prepare("UPDATE debts SET signed_for = promised WHERE provider = ? AND "
                          "id = ? AND currency = ? AND last_due < ?"));
    TRY_VOID(rest.bind(1, debt.key.provider)
            .bind(2, debt.key.id)
            .bind(3, debt.key.currency.text)
            .bind(4, to_integer(clock_->unix_seconds()) - kClockSkewSeconds)
            .run());
    return transaction.commit();
}

Result<void> PromiseBook::attempt(
    const DebtKey& key, Amount amount, Amount paid_before, UnixSeconds until) {
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY(auto row,
        database_.prepare("SELECT attempt_before, attempt_until, unacknowledged FROM debts "
                          "WHERE provider = ? AND id = ? AND currency = ?"));
    row.bind(1, key.provider).bind(2, key.id).bind(3, key.currency.text);
    TRY(const bool found, row.step());
    if (!found) {
        return fail(CommonError::not_found, "nothing was promised to " + key.provider);
    }
    const bool is_same = !row.is_null(0) && to_amount(row.integer(0)) == paid_before;
    const std::int64_t taken_until = row.integer(1);
    const Amount before = is_same ? to_amount(row.integer(2)) : Amount();
    row.reset();
    if (is_same && taken_until > to_integer(clock_->unix_seconds())) {
        return fail_with_help(ClientError::payment,
            "a payment to " + key.provider + " was sent, and may still be taken",
            fmt::format("it is tried again after {}", taken_until));
    }
    TRY(const Amount all, before.plus(amount));
    if (!before.is_zero() && all > limits_.max_per_provider) {
        return fail_with_help(ClientError::payment,
            fmt::format("{} USDC were sent to {}, which acknowledges none of it",
                format_usdc(before), key.provider),
            "decloud account history has the payments; ask the provider");
    }
    TRY(auto change, database_.prepare(
                         "UPDATE debts SET attempt_before = ?, attempt_until = ?, unacknowledged = "
                         "? WHERE provider = ? AND id = ? AND currency = ?"));
    TRY_VOID(change.bind(1, to_integer(paid_before))
            .bind(2, to_integer(until))
            .bind(3, to_integer(all))
            .bind(4, key.provider)
            .bind(5, key.id)
            .bind(6, key.currency.text)
            .run());
    return transaction.commit();
}

Result<void> PromiseBook::withdraw(const DebtKey& key, Amount amount) {
    TRY(auto row,
        database_.prepare("UPDATE debts SET attempt_until = 0, unacknowledged = MAX(0, "
                          "unacknowledged - ?) WHERE provider = ? AND id = ? AND currency "
                          "= ?"));
    return row.bind(1, to_integer(amount))
        .bind(2, key.provider)
        .bind(3, key.id)
        .bind(4, key.currency.text)
        .run();
}

Result<std::vector<OwnDebt>> PromiseBook::debts() {
    TRY(auto rows,
        database_.prepare(fmt::format("SELECT {} FROM debts ORDER BY number", kColumns)));
    std::vector<OwnDebt> out;
    for (;;) {
        TRY(const bool more, rows.step());
        if (!more) {
            return out;
        }
        out.push_back(read_row(rows));
    }
}

}  // namespace decloud::client
