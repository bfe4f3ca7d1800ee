#include "spending.hpp"

#include "error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>

namespace decloud::client {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
/// More is no payment for a call, and sums of it could pass what SQLite counts.
constexpr Uint128 kMost = Uint128{1} << 50U;

constexpr std::array<store::Migration, 1> kMigrations{{{1, R"(
    CREATE TABLE payments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time INTEGER NOT NULL,
        day INTEGER NOT NULL,
        account TEXT NOT NULL,
        method TEXT NOT NULL,
        provider TEXT NOT NULL,
        pay_to TEXT NOT NULL,
        resource TEXT NOT NULL,
        asset TEXT NOT NULL,
        amount INTEGER NOT NULL,
        nonce TEXT NOT NULL,
        valid_before INTEGER NOT NULL,
        state INTEGER NOT NULL,
        taken INTEGER,
        hash TEXT,
        receipt TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX payments_by_day ON payments (day);
    CREATE INDEX payments_by_account ON payments (account);
)"}}};

/// While a process makes or migrates the file, no other opens it.
class OpeningLock {
  public:
    [[nodiscard]] static Result<OpeningLock> acquire(const std::string& file) {
        OpeningLock lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (lock.descriptor_ < 0) {
            return fail(errno_error("open " + file));
        }
        while (::flock(lock.descriptor_, LOCK_EX) != 0) {
            if (errno != EINTR) {
                return fail(errno_error("lock " + file));
            }
        }
        return lock;
    }
    OpeningLock(OpeningLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    OpeningLock& operator=(OpeningLock&&) = delete;
    OpeningLock(const OpeningLock&) = delete;
    OpeningLock& operator=(const OpeningLock&) = delete;
    ~OpeningLock() {
        if (descriptor_ >= 0) {
            (void)::close(descriptor_);
        }
    }

  private:
    explicit OpeningLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

std::int64_t to_integer(Amount amount) { return static_cast<std::int64_t>(amount.units()); }
Amount to_amount(std::int64_t units) { return Amount(static_cast<Uint128>(units)); }

std::unexpected<Error> passes(std::string_view what,
    Amount would_be,
    Amount limit,
    std::string_view flag,
    std::string_view key) {
    return fail_with_help(ClientError::payment,
        fmt::format("{} would come to {} USDC, and the limit is {}", what, format_usdc(would_be),
            format_usdc(limit)),
        fmt::format(
            "{} {}, or {} under [spending] in config.toml", flag, format_usdc(would_be), key));
}

Result<PaymentRecord> read_row(const store::Statement& row) {
    PaymentRecord out;
    out.id = row.integer(0);
    out.time = {static_cast<std::uint64_t>(row.integer(1))};
    TRY(out.payment.account, parse_address(row.text(2)));
    out.payment.method = row.text(3);
    out.payment.provider = row.text(4);
    TRY(out.payment.pay_to, parse_address(row.text(5)));
    out.payment.resource = row.text(6);
    out.payment.asset = row.text(7);
    out.payment.amount = to_amount(row.integer(8));
    TRY(out.payment.nonce, parse_bytes32(row.text(9)));
    out.payment.valid_before = {static_cast<std::uint64_t>(row.integer(10))};
    out.state = static_cast<PaymentState>(row.integer(11));
    if (!row.is_null(12)) {
        out.taken = to_amount(row.integer(12));
    }
    if (!row.is_null(13)) {
        TRY(out.transaction, parse_bytes32(row.text(13)));
    }
    out.receipt = row.text(14);
    out.note = row.text(15);
    return out;
}

}  // namespace

std::string_view to_string(PaymentState state) {
    switch (state) {
        case PaymentState::booked:
            return "booked";
        case PaymentState::taken:
            return "taken";
        case PaymentState::refused:
            return "refused";
        case PaymentState::returned:
            return "returned";
    }
    return "unknown";
}

Result<SpendingBook> SpendingBook::open(
    const std::filesystem::path& file, SpendingLimits limits, const Clock& clock) {
    TRY(const OpeningLock lock, OpeningLock::acquire(file.string() + ".lock"));
    TRY(auto database, store::Database::open(file, kMigrations, std::chrono::seconds(30)));
    return SpendingBook(std::move(database), limits, clock);
}

std::int64_t SpendingBook::today() const {
    return static_cast<std::int64_t>(clock_->unix_seconds().value) / kSecondsPerDay;
}

Result<Amount> SpendingBook::counted(std::string_view where, std::string_view value) {
    TRY(auto sum,
        database_.prepare(fmt::format(
            "SELECT COALESCE(SUM(amount), 0) FROM payments WHERE day = ? AND state != ?{}",
            where)));
    sum.bind(1, today()).bind(2, static_cast<std::int64_t>(PaymentState::returned));
    if (!value.empty()) {
        sum.bind(3, value);
    }
    TRY_VOID(sum.step());
    return to_amount(sum.integer(0));
}

Result<void> SpendingBook::check(const NewPayment& payment) {
    if (payment.amount > limits_.max_price || payment.amount.units() > kMost) {
        return passes("this call", payment.amount, limits_.max_price, "--max-price", "max_price");
    }
    const std::array<std::pair<std::string_view, std::string>, 2> receivers{
        {{" AND provider = ?", payment.provider}, {" AND pay_to = ?", to_string(payment.pay_to)}}};
    for (const auto& [where, value] : receivers) {
        TRY(const Amount before, counted(where, value));
        TRY(const Amount after, before.plus(payment.amount));
        if (after > limits_.max_per_provider) {
            return passes("what " + value + " gets today", after, limits_.max_per_provider,
                "--max-per-provider", "max_per_provider");
        }
    }
    TRY(const Amount before, counted("", ""));
    TRY(const Amount after, before.plus(payment.amount));
    if (after > limits_.max_per_day) {
        return passes(
            "what is spent today", after, limits_.max_per_day, "--max-per-day", "max_per_day");
    }
    return {};
}

Result<std::int64_t> SpendingBook::book(const NewPayment& payment) {
    TRY(auto transaction, store::Transaction::begin(database_));
    TRY_VOID(check(payment));
    TRY(auto insert,
        database_.prepare("INSERT INTO payments (time, day, account, method, provider, pay_to, "
                          "resource, asset, amount, nonce, valid_before, state) "
                          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"));
    const auto latest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    insert.bind(1, static_cast<std::int64_t>(clock_->unix_seconds().value))
        .bind(2, today())
        .bind(3, to_string(payment.account))
        .bind(4, payment.method)
        .bind(5, payment.provider)
        .bind(6, to_string(payment.pay_to))
        .bind(7, payment.resource)
        .bind(8, payment.asset)
        .bind(9, to_integer(payment.amount))
        .bind(10, to_string(payment.nonce))
        .bind(11, static_cast<std::int64_t>(std::min(payment.valid_before.value, latest)))
        .bind(12, static_cast<std::int64_t>(PaymentState::booked));
    TRY_VOID(insert.step());
    const std::int64_t id = insert.integer(0);
    insert.reset();
    TRY_VOID(transaction.commit());
    return id;
}

Result<void> SpendingBook::taken(std::int64_t id, const PaymentProof& proof) {
    TRY(auto change,
        database_.prepare("UPDATE payments SET state = ?, taken = COALESCE(?, taken), "
                          "hash = COALESCE(?, hash), receipt = CASE WHEN ? = '' THEN receipt ELSE "
                          "? END WHERE id = ?"));
    change.bind(1, static_cast<std::int64_t>(PaymentState::taken));
    if (proof.amount && proof.amount->units() <= kMost) {
        change.bind(2, to_integer(*proof.amount));
    } else {
        change.bind_null(2);
    }
    if (proof.transaction) {
        change.bind(3, to_string(*proof.transaction));
    } else {
        change.bind_null(3);
    }
    TRY_VOID(change.bind(4, proof.receipt).bind(5, proof.receipt).bind(6, id).run());
    return database_.changes() == 1 ? Result<void>{}
                                    : fail(CommonError::not_found, "no such payment");
}

Result<void> SpendingBook::update(std::int64_t id, PaymentState state, std::string_view note) {
    TRY(auto change,
        database_.prepare("UPDATE payments SET state = ?, note = ? WHERE id = ? AND state != ?"));
    return change.bind(1, static_cast<std::int64_t>(state))
        .bind(2, note)
        .bind(3, id)
        .bind(4, static_cast<std::int64_t>(PaymentState::taken))
        .run();
}

Result<void> SpendingBook::refused(std::int64_t id, std::string_view reason) {
    return update(id, PaymentState::refused, reason);
}

Result<void> SpendingBook::give_back(std::int64_t id, std::string_view reason) {
    return update(id, PaymentState::returned, reason);
}

Result<std::vector<PaymentRecord>> SpendingBook::payments(const Address& account) {
    TRY(auto rows,
        database_.prepare("SELECT id, time, account, method, provider, pay_to, resource, asset, "
                          "amount, nonce, valid_before, state, taken, hash, receipt, note "
                          "FROM payments WHERE account = ? ORDER BY id"));
    rows.bind(1, to_string(account));
    std::vector<PaymentRecord> out;
    for (;;) {
        TRY(const bool more, rows.step());
        if (!more) {
            return out;
        }
        TRY(out.emplace_back(), read_row(rows));
    }
}

Result<Amount> SpendingBook::spent_today() { return counted("", ""); }

}  // namespace decloud::client
