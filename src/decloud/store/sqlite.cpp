#include "sqlite.hpp"

#include "atomic_file.hpp"
#include "error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace decloud::store {

namespace {

std::unexpected<Error> database_error(sqlite3* database, std::string_view what) {
    const int code = database == nullptr ? SQLITE_NOMEM : sqlite3_errcode(database);
    const std::string text =
        fmt::format("{}: {}", what, database == nullptr ? "no memory" : sqlite3_errmsg(database));
    switch (code & 0xFF) {
        case SQLITE_FULL:
            return fail(CommonError::disk_full, text);
        case SQLITE_IOERR:
            if (const int number = sqlite3_system_errno(database);
                number == ENOSPC || number == EFBIG || number == EDQUOT) {
                return fail(CommonError::disk_full, text);
            }
            return fail(CommonError::io, text);
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return fail(StoreError::damaged, text);
        default:
            return fail(StoreError::database, text);
    }
}

Result<int> user_version(Database& database) {
    TRY(Statement statement, database.prepare("PRAGMA user_version"));
    TRY(const bool has_row, statement.step());
    return has_row ? static_cast<int>(statement.integer(0)) : 0;
}

Result<void> copy_before_migration(
    Database& database, const std::filesystem::path& path, int version) {
    const auto copy = fmt::format("{}.v{}.bak", path.string(), version);
    std::error_code ignored;
    std::filesystem::remove(copy, ignored);
    TRY(Statement vacuum, database.prepare("VACUUM INTO ?1"));
    vacuum.bind(1, std::string_view(copy));
    TRY_VOID(vacuum.run());
    if (::chmod(copy.c_str(), 0600) != 0) {
        return fail(errno_error("chmod " + copy));
    }
    return {};
}

Result<void> migrate(
    Database& database, const std::filesystem::path& path, std::span<const Migration> migrations) {
    const int newest = migrations.empty() ? 0 : migrations.back().version;
    TRY(const int present, user_version(database));
    if (present > newest) {
        return fail(
            StoreError::newer_format, fmt::format("{} has version {}, this decloud reads up to {}",
                                          path.string(), present, newest));
    }
    if (present == newest) {
        return {};
    }
    if (present > 0) {
        TRY_VOID(copy_before_migration(database, path, present));
    }
    TRY(Transaction transaction, Transaction::begin(database));
    for (const Migration& migration : migrations) {
        if (migration.version > present) {
            TRY_VOID(database.execute(std::string(migration.statements)));
        }
    }
    TRY_VOID(database.execute(fmt::format("PRAGMA user_version = {}", newest)));
    return transaction.commit();
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      bind_failed_(other.bind_failed_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
    std::swap(database_, other.database_);
    std::swap(statement_, other.statement_);
    std::swap(bind_failed_, other.bind_failed_);
    return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::int64_t value) {
    bind_failed_ |= sqlite3_bind_int64(statement_, index, value) != SQLITE_OK;
    return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
    const char* data = text.empty() ? "" : text.data();
    bind_failed_ |= sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8) != SQLITE_OK;
    return *this;
}

Statement& Statement::bind(int index, BytesView blob) {
    const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
    bind_failed_ |=
        sqlite3_bind_blob64(statement_, index, data, blob.size(), SQLITE_TRANSIENT) != SQLITE_OK;
    return *this;
}

Statement& Statement::bind_null(int index) {
    bind_failed_ |= sqlite3_bind_null(statement_, index) != SQLITE_OK;
    return *this;
}

Result<bool> Statement::step() {
    if (bind_failed_) {
        return database_error(database_, "bind");
    }
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    return database_error(database_, "step");
}

Result<void> Statement::run() {
    auto more = step();
    while (more && *more) {
        more = step();
    }
    reset();
    if (!more) {
        return fail(more.error());
    }
    return {};
}

void Statement::reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    bind_failed_ = false;
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const { return std::string(as_text(blob(column))); }

BytesView Statement::blob(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    if (data == nullptr) {
        return {};
    }
    return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<Database> Database::open(const std::filesystem::path& path,
    std::span<const Migration> migrations,
    std::chrono::milliseconds busy_timeout) {
    // Made here so that it is never readable by others, not even at first.
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        return fail(errno_error("open " + path.string()));
    }
    ::close(descriptor);
    sqlite3* handle = nullptr;
    const int opened = sqlite3_open_v2(
        path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(handle);
    if (opened != SQLITE_OK) {
        return database_error(handle, "open " + path.string());
    }
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, static_cast<int>(busy_timeout.count()));
    auto ready = database.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
        "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 4194304");
    if (ready) {
        ready = migrate(database, path, migrations);
    }
    if (!ready) {
        return fail(ready.error().within(path.string()));
    }
    return database;
}

Database::Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Database& Database::operator=(Database&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
            SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
        return database_error(handle_, sql);
    }
    return Statement(handle_, statement);
}

Result<void> Database::execute(const std::string& sql) {
    if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        return database_error(handle_, std::string_view(sql).substr(0, 80));
    }
    return {};
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Result<Transaction> Transaction::begin(Database& database) {
    TRY_VOID(database.execute("BEGIN IMMEDIATE"));
    return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
    if (database_ != nullptr) {
        static_cast<void>(database_->execute("ROLLBACK"));
    }
}

Result<void> Transaction::commit() {
    TRY_VOID(database_->execute("COMMIT"));
    database_ = nullptr;
    return {};
}

}  // namespace decloud::store
