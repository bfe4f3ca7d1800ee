#include "log_writer.hpp"

#include "../atomic_file.hpp"
#include "../error.hpp"

#include <decloud/base/log.hpp>

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace decloud::store {

namespace {

constexpr std::chrono::milliseconds kSealAfter{5};
constexpr std::chrono::milliseconds kRetryAfter{100};
constexpr std::string_view kNextName = "next.tmp";
constexpr const char* kModule = "store";

}  // namespace

GroupCommitLog::Writer::Writer(
    LogSettings settings, internal::LogContent content, std::function<void()> notify)
    : settings_(std::move(settings)),
      notify_(std::move(notify)),
      headroom_(settings_.segment_bytes / 4),
      next_sequence_(content.recovery.last_sequence + 1),
      segments_(std::move(content.segments)) {
    durable_.store(content.recovery.last_sequence);
    if (content.end) {
        current_left_ = content.end->bytes - content.end->offset;
        file_ = internal::SegmentFile(
            std::move(content.end->file), content.end->bytes, content.end->offset);
        salt_ = content.end->salt;
        sealed_ = content.end->sealed;
    }
}

GroupCommitLog::Writer::~Writer() { stop(); }

Result<void> GroupCommitLog::Writer::start() {
    if (!file_.is_open()) {
        TRY(auto segment,
            internal::create_segment(settings_.directory / kNextName, settings_.segment_bytes));
        next_ = std::move(segment);
        TRY_VOID(activate_next(next_sequence_));
        current_left_ = settings_.segment_bytes - internal::kSegmentHeaderSize;
        segments_.push_back(next_sequence_);
    } else if (!sealed_) {
        write_seal();
        current_left_ -= std::min<std::uint64_t>(current_left_, internal::kRecordHeaderSize);
    }
    writer_ = std::thread([this] { write_loop(); });
    preparer_ = std::thread([this] { prepare_loop(); });
    pthread_setname_np(writer_.native_handle(), "log-writer");
    pthread_setname_np(preparer_.native_handle(), "log-segments");
    return {};
}

Result<void> GroupCommitLog::Writer::admit(std::size_t size, LogUse use) const {
    if (stopping_) {
        return fail(StoreError::closed, "the log is closed");
    }
    if (fatal_) {
        return fail(*fatal_);
    }
    const std::size_t needed = pending_.size() + size;
    const bool opening = use == LogUse::opening;
    if (write_failure_ && opening) {
        return fail(*write_failure_);
    }
    if (needed > (opening ? headroom_ : 2 * headroom_)) {
        return fail(CommonError::unavailable, "the disk does not keep up with the log");
    }
    // A seal may come between; it takes no more than a record's header.
    const std::size_t spare = internal::kRecordHeaderSize + (opening ? headroom_ : 0);
    if (!next_ && needed + spare > current_left_) {
        if (disk_full_) {
            return fail(CommonError::disk_full, "no room for " + settings_.directory.string());
        }
        return fail(CommonError::unavailable, "the next log segment is not ready yet");
    }
    return {};
}

Result<std::uint64_t> GroupCommitLog::Writer::append(
    std::uint8_t type, BytesView payload, LogUse use) {
    if (payload.size() > internal::kMaxPayload || type == internal::kSealType) {
        return fail(CommonError::limit_exceeded, "log record too long");
    }
    const Lock lock(mutex_);
    TRY_VOID(admit(internal::kRecordHeaderSize + payload.size(), use));
    const std::uint64_t sequence = next_sequence_++;
    if (pending_.empty()) {
        pending_first_ = sequence;
    }
    internal::encode_record(
        pending_, type, sequence, static_cast<std::uint32_t>(sequence - pending_first_), payload);
    if (asleep_) {
        asleep_ = false;
        work_.notify_one();
    }
    return sequence;
}

void GroupCommitLog::Writer::want() {
    const Lock lock(mutex_);
    if (!wanted_) {
        wanted_ = true;
        work_.notify_one();
    }
}

void GroupCommitLog::Writer::hurry() {
    if (!hurried_.load(std::memory_order_relaxed)) {
        const Lock lock(mutex_);
        hurried_.store(true, std::memory_order_relaxed);
        work_.notify_one();
    }
}

std::optional<Error> GroupCommitLog::Writer::failure() const {
    const Lock lock(mutex_);
    if (fatal_) {
        return fatal_;
    }
    if (stopping_) {
        return Error(StoreError::closed);
    }
    return write_failure_;
}

void GroupCommitLog::Writer::rotate() {
    const Lock lock(mutex_);
    rotate_ = true;
}

void GroupCommitLog::Writer::drop_before(std::uint64_t sequence) {
    const Lock lock(mutex_);
    drop_before_ = std::max(drop_before_, sequence);
    upkeep_.notify_one();
}

LogStatistics GroupCommitLog::Writer::statistics() const {
    const Lock lock(mutex_);
    return {next_sequence_ - 1, durable(), syncs_, last_sync_,
        disk_full_ || write_failure_.has_value(), segments_.size()};
}

void GroupCommitLog::Writer::stop() {
    {
        const Lock lock(mutex_);
        stopping_ = true;
        work_.notify_all();
        upkeep_.notify_all();
    }
    if (writer_.joinable()) {
        writer_.join();
    }
    if (preparer_.joinable()) {
        preparer_.join();
    }
}

void GroupCommitLog::Writer::idle(Lock& lock) {
    const auto has_work = [this] { return stopping_ || !pending_.empty(); };
    wanted_ = false;
    asleep_ = true;
    if (!sealed_ && !work_.wait_for(lock, kSealAfter, has_work)) {
        if (current_left_ >= internal::kRecordHeaderSize) {
            current_left_ -= internal::kRecordHeaderSize;
            lock.unlock();
            write_seal();
            lock.lock();
        }
        sealed_ = true;
    }
    work_.wait(lock, has_work);
    asleep_ = false;
}

void GroupCommitLog::Writer::gather(Lock& lock) {
    const auto began = std::chrono::steady_clock::now();
    const auto is_due = [this] { return stopping_ || wanted_ || pending_.size() > headroom_ / 2; };
    if (!work_.wait_until(lock, began + settings_.gather, is_due)) {
        work_.wait_until(lock, began + settings_.unhurried_gather,
            [&] { return is_due() || hurried_.load(std::memory_order_relaxed); });
    }
}

GroupCommitLog::Writer::Batch GroupCommitLog::Writer::take() {
    Batch batch;
    batch.bytes.swap(pending_);
    batch.last = next_sequence_ - 1;
    taken_.store(batch.last, std::memory_order_release);
    const bool is_empty = segments_.back() == pending_first_;
    batch.new_segment = batch.bytes.size() > current_left_ || (rotate_ && next_ && !is_empty);
    if (batch.new_segment) {
        current_left_ = settings_.segment_bytes - internal::kSegmentHeaderSize;
        if (!is_empty) {
            segments_.push_back(pending_first_);
        }
        rotate_ = false;
    }
    current_left_ -= batch.bytes.size();
    wanted_ = false;
    hurried_.store(false, std::memory_order_relaxed);
    return batch;
}

Result<void> GroupCommitLog::Writer::activate_next(std::uint64_t first_sequence) {
    const auto path = internal::segment_path(settings_.directory, first_sequence);
    if (::rename((settings_.directory / kNextName).c_str(), path.c_str()) != 0) {
        return fail(errno_error("rename a log segment to " + path.string()));
    }
    TRY_VOID(sync_directory(settings_.directory));
    const Lock lock(mutex_);
    if (auto next = std::exchange(next_, std::nullopt)) {
        file_ = internal::SegmentFile(
            std::move(next->file), settings_.segment_bytes, internal::kSegmentHeaderSize);
        salt_ = next->salt;
    }
    upkeep_.notify_one();
    return {};
}

Result<void> GroupCommitLog::Writer::write(Batch& batch) {
    internal::seal_batch(batch.bytes, salt_);
    return file_.write(batch.bytes);
}

/// The batch stays in order with what follows it, so it is kept until there is room for it.
void GroupCommitLog::Writer::retry_until_written(Lock& lock, Batch& batch) {
    while (true) {
        lock.unlock();
        auto written = write(batch);
        lock.lock();
        if (written) {
            if (write_failure_) {
                log::info(kModule, "there is room for the log again");
            }
            write_failure_.reset();
            return;
        }
        if (written.error() != make_error_code(CommonError::disk_full)) {
            fatal_ = written.error().within("the log stopped");
            return;
        }
        if (!write_failure_) {
            log::error(kModule, "the log cannot be written: {}", written.error().message());
        }
        write_failure_ = written.error();
        lock.unlock();
        notify_();
        lock.lock();
        if (work_.wait_for(lock, kRetryAfter, [this] { return stopping_; })) {
            fatal_ = write_failure_;
            return;
        }
    }
}

void GroupCommitLog::Writer::write_loop() {
    Lock lock(mutex_);
    while (!fatal_) {
        if (pending_.empty()) {
            if (stopping_) {
                break;
            }
            idle(lock);
            continue;
        }
        if (!wanted_ && !stopping_) {
            gather(lock);
        }
        const std::uint64_t first = pending_first_;
        Batch batch = take();
        lock.unlock();
        Result<void> done;
        if (batch.new_segment) {
            done = activate_next(first);
        }
        const auto started = std::chrono::steady_clock::now();
        lock.lock();
        if (done) {
            retry_until_written(lock, batch);
        }
        lock.unlock();
        if (done && !fatal_) {
            done = file_.sync();
        }
        lock.lock();
        if (!done && !fatal_) {
            // After a failed sync the kernel may call the same pages clean, so nothing may go on
            // from here.
            fatal_ = done.error().within("the log stopped");
        }
        if (!fatal_) {
            file_.advance(batch.bytes.size());
            sealed_ = false;
            ++syncs_;
            last_sync_ = std::chrono::steady_clock::now() - started;
            durable_.store(batch.last, std::memory_order_release);
            batch.bytes.clear();
            if (pending_.empty()) {
                pending_.swap(batch.bytes);
            }
        } else {
            log::error(kModule, "{}", fatal_->message());
        }
        lock.unlock();
        notify_();
        lock.lock();
    }
    lock.unlock();
    if (!fatal_ && !sealed_) {
        write_seal();
        static_cast<void>(file_.sync());
    }
    notify_();
}

/// Not synced: it only has to be there when it is needed to tell damage from a torn tail.
void GroupCommitLog::Writer::write_seal() {
    Bytes seal;
    internal::encode_record(seal, internal::kSealType, durable() + 1, 0, {});
    internal::seal_batch(seal, salt_);
    if (file_.write(seal)) {
        file_.advance(seal.size());
    }
    sealed_ = true;
}

void GroupCommitLog::Writer::prepare(Lock& lock) {
    lock.unlock();
    auto made = internal::create_segment(settings_.directory / kNextName, settings_.segment_bytes);
    lock.lock();
    if (made) {
        if (disk_full_) {
            log::info(kModule, "there is room for the log again");
        }
        disk_full_ = false;
        next_ = std::move(*made);
        return;
    }
    const bool full = made.error() == make_error_code(CommonError::disk_full);
    if (full && !disk_full_) {
        log::error(
            kModule, "{}; new calls are refused until there is room", made.error().message());
    } else if (!full) {
        log::error(kModule, "{}", made.error().message());
    }
    disk_full_ = full;
    upkeep_.wait_for(lock, kRetryAfter, [this] { return stopping_; });
}

void GroupCommitLog::Writer::delete_segments(Lock& lock) {
    std::vector<std::uint64_t> old;
    while (segments_.size() > 1 && segments_[1] <= drop_before_) {
        old.push_back(segments_.front());
        segments_.erase(segments_.begin());
    }
    lock.unlock();
    for (const std::uint64_t first : old) {
        const auto path = internal::segment_path(settings_.directory, first);
        if (::unlink(path.c_str()) != 0) {
            log::warning(kModule, "{}", errno_error("delete " + path.string()).message());
        }
    }
    lock.lock();
}

void GroupCommitLog::Writer::prepare_loop() {
    Lock lock(mutex_);
    const auto has_old = [this] { return segments_.size() > 1 && segments_[1] <= drop_before_; };
    while (true) {
        if (has_old()) {
            delete_segments(lock);
        }
        if (stopping_) {
            return;
        }
        if (!next_) {
            prepare(lock);
            continue;
        }
        upkeep_.wait(lock, [&] { return stopping_ || !next_ || has_old(); });
    }
}

}  // namespace decloud::store
