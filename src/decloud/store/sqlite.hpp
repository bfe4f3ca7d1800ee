#pragma once

#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace decloud::store {

/// A prepared statement: bind 1, 2, …, `step` while it returns true, read columns 0, 1, …, `reset`.
/// Belongs to its database, which it must not outlive. Not thread safe.
class Statement {
  public:
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&& other) noexcept;
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement();

    /// Binds parameter `index` (1, 2, …); text and bytes are copied. An error shows at `step`.
    Statement& bind(int index, std::int64_t value);
    Statement& bind(int index, std::string_view text);
    Statement& bind(int index, BytesView blob);
    Statement& bind_null(int index);

    /// True if there is a row. Errors: StoreError::database, damaged; CommonError::disk_full, io.
    [[nodiscard]] Result<bool> step();
    /// For statements without rows: steps to the end and resets.
    [[nodiscard]] Result<void> run();
    /// Makes it ready to be bound and stepped again; forgets what was bound.
    void reset();

    /// A column (0, 1, …) of the row that `step` found, converted as SQLite does. Text is a copy.
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;
    /// Valid until the next `step` or `reset`.
    [[nodiscard]] BytesView blob(int column) const;
    /// True if the column is NULL: the others then give 0 or nothing.
    [[nodiscard]] bool is_null(int column) const;

  private:
    friend class Database;
    Statement(sqlite3* database, sqlite3_stmt* statement)
        : database_(database), statement_(statement) {}
    sqlite3* database_;
    sqlite3_stmt* statement_;
    bool bind_failed_ = false;
};

/// One step of a schema: `statements` takes user_version from `version - 1` to `version` (1, 2, …).
struct Migration {
    int version;
    std::string_view statements;
};

/// A SQLite file: WAL, synchronous=FULL, foreign keys, mode 0600. Not thread safe; one object per
/// thread.
class Database {
  public:
    /// Opens or creates. An older schema is migrated in one transaction after a copy of the file to
    /// "<name>.v<old>.bak". Errors: StoreError::newer_format, damaged, database;
    /// CommonError::disk_full, io.
    [[nodiscard]] static Result<Database> open(const std::filesystem::path& path,
        std::span<const Migration> migrations,
        std::chrono::milliseconds busy_timeout = std::chrono::seconds(5));
    Database(Database&& other) noexcept;
    Database& operator=(Database&& other) noexcept;
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    /// One statement. Errors: StoreError::database, damaged; CommonError::disk_full, io.
    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    /// Statements without parameters or rows. Errors as `prepare`.
    [[nodiscard]] Result<void> execute(const std::string& sql);
    /// How many rows the last statement changed.
    [[nodiscard]] std::int64_t changes() const;

  private:
    explicit Database(sqlite3* handle) : handle_(handle) {}
    sqlite3* handle_;
};

/// Rolls back on destruction unless committed.
class Transaction {
  public:
    /// BEGIN IMMEDIATE: takes the write lock at once. `database` outlives it and is not moved.
    /// Errors as `Database::execute`; StoreError::database if another connection keeps the lock.
    [[nodiscard]] static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();
    /// Durable when it returns. After an error the destructor rolls back. Errors as `begin`.
    [[nodiscard]] Result<void> commit();

  private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_;
};

}  // namespace decloud::store
