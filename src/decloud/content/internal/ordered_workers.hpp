#pragma once

#include <decloud/base/result.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace decloud::content::internal {

/// Runs `work` on items on threads of its own, then `deliver` on the caller's thread, in the order
/// in which the items came. Holds a few items at a time. Used by one thread; `work` runs on
/// several.
template <class Item>
class OrderedWorkers {
  public:
    using Step = std::function<Result<void>(Item&)>;

    /// With `threads` 0, or for small items, the caller's thread does all. What the steps refer to
    /// outlives this.
    OrderedWorkers(std::size_t threads, Step work, Step deliver)
        : threads_(threads), work_(std::move(work)), deliver_(std::move(deliver)) {}
    OrderedWorkers(const OrderedWorkers&) = delete;
    OrderedWorkers& operator=(const OrderedWorkers&) = delete;
    /// Waits for what is being worked on; what was not delivered is dropped.
    ~OrderedWorkers() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        work_due_.notify_all();
    }

    /// An item to fill: one that was delivered, for the sake of its memory, or a new one.
    [[nodiscard]] Item make() {
        if (spare_.empty()) {
            return {};
        }
        Item item = std::move(spare_.back());
        spare_.pop_back();
        return item;
    }

    /// Takes an item of this size. Errors: those of this and earlier items; then only good for
    /// destruction.
    [[nodiscard]] Result<void> add(Item item, std::size_t bytes) {
        auto slot = std::make_unique<Slot>(Slot{.item = std::move(item)});
        if (threads_ == 0 || bytes < kWorthAThread) {
            slot->status = work_(slot->item);
            slot->done = true;
            const std::lock_guard lock(mutex_);
            slots_.push_back(std::move(slot));
        } else {
            start_threads();
            {
                const std::lock_guard lock(mutex_);
                waiting_.push_back(slot.get());
                slots_.push_back(std::move(slot));
            }
            work_due_.notify_one();
        }
        return deliver_until(threads_ + kAhead);
    }

    /// Delivers all that is left.
    [[nodiscard]] Result<void> finish() { return deliver_until(0); }

  private:
    /// Handing a block of fewer bytes to another thread costs more than hashing it.
    static constexpr std::size_t kWorthAThread = std::size_t{64} << 10U;
    /// Items beyond one for each thread, so that none waits for the caller.
    static constexpr std::size_t kAhead = 2;

    struct Slot {
        Item item;
        Result<void> status{};
        std::exception_ptr bug{};
        bool done = false;
    };

    void start_threads() {
        while (running_.size() < threads_) {
            running_.emplace_back([this] { run(); });
        }
    }

    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            work_due_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (stopping_) {
                return;
            }
            Slot* const slot = waiting_.front();
            waiting_.pop_front();
            lock.unlock();
            try {
                slot->status = work_(slot->item);
            } catch (...) {
                slot->bug = std::current_exception();
            }
            lock.lock();
            slot->done = true;
            work_done_.notify_one();
        }
    }

    /// Delivers what is ready, and waits while more than `most` are left.
    Result<void> deliver_until(std::size_t most) {
        for (;;) {
            std::unique_ptr<Slot> slot;
            {
                std::unique_lock lock(mutex_);
                if (slots_.size() > most) {
                    work_done_.wait(lock, [this] { return slots_.front()->done; });
                }
                if (slots_.empty() || !slots_.front()->done) {
                    return {};
                }
                slot = std::move(slots_.front());
                slots_.pop_front();
            }
            if (slot->bug) {
                std::rethrow_exception(slot->bug);
            }
            TRY_VOID(std::move(slot->status));
            TRY_VOID(deliver_(slot->item));
            if (spare_.size() < kAhead) {
                spare_.push_back(std::move(slot->item));
            }
        }
    }

    std::size_t threads_;
    Step work_;
    Step deliver_;
    std::vector<Item> spare_;
    std::mutex mutex_;
    std::condition_variable work_due_;
    std::condition_variable work_done_;
    /// In the order in which they came.
    std::deque<std::unique_ptr<Slot>> slots_;
    /// Those of them that no thread has taken yet.
    std::deque<Slot*> waiting_;
    bool stopping_ = false;
    /// Last, so that they have ended before the rest goes.
    std::vector<std::jthread> running_;
};

}  // namespace decloud::content::internal
