#pragma once

#include "../log.hpp"
#include "log_reader.hpp"
#include "segment_file.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace decloud::store {

/// The threads behind a log: one writes and syncs batches, one makes the next segment and deletes
/// old ones.
class GroupCommitLog::Writer {
  public:
    /// `notify` is called on the writing thread after each sync or failure that somebody waits for.
    Writer(LogSettings settings, internal::LogContent content, std::function<void()> notify);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    Result<void> start();
    Result<std::uint64_t> append(std::uint8_t type, BytesView payload, LogUse use);
    /// Asks for a sync as soon as possible.
    void want();
    /// Somebody waits for what is not being written yet: it is not gathered for longer than usual.
    void hurry();
    [[nodiscard]] std::uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
    /// The last record of the batch that is being written, or was.
    [[nodiscard]] std::uint64_t taken() const { return taken_.load(std::memory_order_acquire); }
    /// Why waiting is in vain now.
    [[nodiscard]] std::optional<Error> failure() const;
    void rotate();
    void drop_before(std::uint64_t sequence);
    [[nodiscard]] LogStatistics statistics() const;
    void stop();

  private:
    using Lock = std::unique_lock<std::mutex>;
    struct Batch {
        Bytes bytes;
        std::uint64_t last = 0;
        bool new_segment = false;
    };

    [[nodiscard]] Result<void> admit(std::size_t size, LogUse use) const;
    void write_loop();
    void gather(Lock& lock);
    void idle(Lock& lock);
    Batch take();
    Result<void> write(Batch& batch);
    void retry_until_written(Lock& lock, Batch& batch);
    Result<void> activate_next(std::uint64_t first_sequence);
    void write_seal();
    void prepare_loop();
    void prepare(Lock& lock);
    void delete_segments(Lock& lock);

    const LogSettings settings_;
    const std::function<void()> notify_;
    const std::size_t headroom_;

    mutable std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable upkeep_;
    bool stopping_ = false;
    bool asleep_ = false;
    bool wanted_ = false;
    std::atomic<bool> hurried_{false};
    bool rotate_ = false;
    bool disk_full_ = false;
    std::optional<Error> write_failure_;
    std::optional<Error> fatal_;
    Bytes pending_;
    std::uint64_t pending_first_ = 0;
    std::uint64_t next_sequence_ = 1;
    std::uint64_t current_left_ = 0;
    std::optional<internal::NewSegment> next_;
    std::vector<std::uint64_t> segments_;
    std::uint64_t drop_before_ = 0;
    std::uint64_t syncs_ = 0;
    std::chrono::nanoseconds last_sync_{};
    std::atomic<std::uint64_t> durable_{0};
    std::atomic<std::uint64_t> taken_{0};

    // Of the writing thread alone once it runs.
    internal::SegmentFile file_;
    std::uint64_t salt_ = 0;
    bool sealed_ = false;

    std::thread writer_;
    std::thread preparer_;
};

}  // namespace decloud::store
