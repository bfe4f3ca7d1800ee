#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/bytes.hpp>
#include <decloud/base/result.hpp>
#include <decloud/base/units.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace decloud::store {

/// Where a log is kept, and how long writes are gathered.
struct LogSettings {
    /// Made if missing, mode 0700.
    std::filesystem::path directory;
    /// Size of a segment file; it is allocated and zeroed before use, so that a sync moves data
    /// only. At least 64 KiB.
    std::uint64_t segment_bytes = 8 * kMiB;
    /// How long the writer gathers records at most before it syncs …
    std::chrono::microseconds gather{2000};
    /// … and if nobody waits for any of them.
    std::chrono::microseconds unhurried_gather{8000};
    /// How long `durable` waits for a disk that does not answer.
    std::chrono::seconds sync_timeout{30};
};

/// One record as `open` replays it. The payload lives for the call only.
struct LogRecord {
    std::uint64_t sequence = 0;
    std::uint8_t type = 0;
    BytesView payload;
};

/// What `open` found.
struct LogRecovery {
    std::uint64_t records = 0;
    /// 0 if the log never had a record.
    std::uint64_t last_sequence = 0;
    /// Bytes of records that were being written when the process or the machine stopped; never
    /// acknowledged.
    std::uint64_t bytes_cut = 0;
    /// Where they were, or where a file that had lost its end was made whole: "segment
    /// 00000000000000000001.log, offset 4096". Empty if nothing was cut.
    std::string cut_at;
};

/// What a record does when space runs short: `opening` is refused while some is left, so that
/// `closing` records (which end what was begun) still fit.
enum class LogUse { opening, closing };

/// For metrics: the newest sequence in memory and on disk, and what the writer did since `open`.
struct LogStatistics {
    std::uint64_t appended = 0;
    std::uint64_t durable = 0;
    std::uint64_t syncs = 0;
    std::chrono::nanoseconds last_sync{};
    bool disk_full = false;
    std::uint64_t segments = 0;
};

/// Append-only records with group commit: many waiters share one sync. Records carry a
/// sequence (1, 2, …), a type below 255 and a CRC-32C that is salted per segment.
///
/// A record that is damaged is told from a torn tail: if anything written after a later sync is
/// readable behind it, it had been durable, and `open` refuses the log by segment and offset.
///
/// Single threaded (the executor's thread); a thread of its own writes and syncs. Close before
/// destruction.
class GroupCommitLog {
  public:
    /// Called for every record in order; an error stops `open` with it.
    using Replay = std::function<Result<void>(const LogRecord&)>;

    /// Reads what is there from `from_sequence` on, cuts a torn tail, starts the writer.
    /// Errors: StoreError::damaged (also when records that `from_sequence` needs are missing),
    /// newer_format; CommonError::io, disk_full; what `replay` returned.
    [[nodiscard]] static Result<std::unique_ptr<GroupCommitLog>> open(
        LogSettings settings, async::Executor executor, std::uint64_t from_sequence, Replay replay);
    ~GroupCommitLog();
    GroupCommitLog(const GroupCommitLog&) = delete;
    GroupCommitLog& operator=(const GroupCommitLog&) = delete;

    /// Of this `open`. Lives as long as the log.
    [[nodiscard]] const LogRecovery& recovery() const;

    /// Puts a record into memory; it reaches the disk within `unhurried_gather` and a sync. Payload
    /// at most 64 KiB. Errors: disk_full (clears by itself when space is back), unavailable if the
    /// disk cannot keep up, limit_exceeded, StoreError::closed.
    [[nodiscard]] Result<std::uint64_t> append(std::uint8_t type, BytesView payload, LogUse use);

    /// Resumes when everything up to `sequence` is on disk. A sync starts once three quarters
    /// of the `expected` callers wait for it, or after `gather`: syncs cost processor time, so that
    /// many calls at once are cheaper in few of them, and one call alone does not wait. Errors:
    /// disk_full, io, timeout, StoreError::closed. After an error the record may still become
    /// durable.
    [[nodiscard]] async::Task<Result<void>> durable(
        std::uint64_t sequence, std::size_t expected = 1);
    /// For somebody who will want `sequence` on disk soon and does not wait yet. A sync starts once
    /// all of the `expected` have said so, and as many as before the sync before it.
    void hasten(std::uint64_t sequence, std::size_t expected);
    /// True if everything up to `sequence` is on disk.
    [[nodiscard]] bool is_durable(std::uint64_t sequence) const;

    /// The next record starts a new segment, so that `drop_before` can free the ones before it.
    void rotate();
    /// Deletes, in the background, segments that hold only records below `sequence`.
    void drop_before(std::uint64_t sequence);

    /// As of now; all zeros after `close`.
    [[nodiscard]] LogStatistics statistics() const;

    /// Syncs what is there and stops the writer; blocks for that sync. Waiters get
    /// StoreError::closed.
    void close();

  private:
    class Writer;
    struct Waiters;
    GroupCommitLog(
        std::shared_ptr<Waiters> waiters, std::unique_ptr<Writer> writer, LogRecovery recovery);

    std::shared_ptr<Waiters> waiters_;
    std::unique_ptr<Writer> writer_;
    LogRecovery recovery_;
};

}  // namespace decloud::store
