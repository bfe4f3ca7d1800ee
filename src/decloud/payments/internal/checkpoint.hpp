#pragma once

#include "book.hpp"
#include "receipt_ids.hpp"

#include <decloud/store/sqlite.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace decloud::payments::internal {

/// A running call that the log knows.
struct OpenHold {
    HoldSerial serial = 0;
    PayerIndex payer = 0;
    Amount max;
    bool served = false;
    std::string key;
};

/// Everything that the log up to `sequence` changed since the last one.
struct Checkpoint {
    std::uint64_t sequence = 0;
    HoldSerial next_hold = 1;
    std::uint64_t next_receipt = 1;
    std::uint64_t swept_until = 0;
    Book::Changes changes;
    std::vector<OpenHold> open_holds;
    std::uint64_t now = 0;
    std::uint64_t receipts_from_time = 0;
    std::uint64_t receipts_from_serial = 0;
};

/// What a checkpoint file says at start.
struct LoadedState {
    std::uint64_t sequence = 0;
    HoldSerial next_hold = 1;
    ReceiptKey receipt_key{};
    std::vector<OpenHold> open_holds;
};

/// How the file came to be as it is. What has once been released here does not change.
extern const std::array<store::Migration, 3> kCheckpointMigrations;

/// The SQLite file that the log is folded into. Not thread safe.
class CheckpointStore {
  public:
    [[nodiscard]] static Result<std::unique_ptr<CheckpointStore>> open(
        const std::filesystem::path& path);

    /// Fills `book`. Makes the receipt key in a new file.
    [[nodiscard]] Result<LoadedState> load(Book& book);
    /// All of it or nothing.
    [[nodiscard]] Result<void> save(const Checkpoint& checkpoint);
    /// The record of a receipt. Errors: not_found, StoreError::damaged.
    [[nodiscard]] Result<FinishedRecord> receipt(std::uint64_t serial);

  private:
    explicit CheckpointStore(store::Database database);

    Result<void> load_payers(Book& book);
    Result<void> load_counters(Book& book);
    Result<void> load_keys(Book& book);
    Result<std::vector<OpenHold>> load_open_holds();
    Result<std::uint64_t> number(const char* name, std::uint64_t otherwise);
    Result<ReceiptKey> receipt_key();
    Result<void> set(const char* name, BytesView value);
    Result<void> set(const char* name, std::uint64_t value);
    Result<void> save_payers(const Checkpoint& checkpoint);
    Result<void> save_counters(const Checkpoint& checkpoint);
    Result<void> save_keys(const Checkpoint& checkpoint);
    Result<void> save_open_holds(const Checkpoint& checkpoint);
    Result<void> save_receipts(const Checkpoint& checkpoint);

    store::Database database_;
};

}  // namespace decloud::payments::internal
