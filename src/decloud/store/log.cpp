#include "log.hpp"

#include "error.hpp"
#include "internal/log_reader.hpp"
#include "internal/log_writer.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <utility>
#include <vector>

namespace decloud::store {

namespace asio = boost::asio;

/// The coroutines in `durable`. Lives on the executor's thread, but for `count`.
struct GroupCommitLog::Waiters : std::enable_shared_from_this<GroupCommitLog::Waiters> {
    using Handler = asio::any_completion_handler<void(Result<void>)>;
    struct Waiter {
        std::uint64_t sequence;
        std::chrono::steady_clock::time_point since;
        Handler handler;
    };

    Waiters(async::Executor loop, std::chrono::seconds limit)
        : executor(loop), timeout(limit), watchdog(loop) {}

    async::Executor executor;
    std::chrono::seconds timeout;
    asio::steady_timer watchdog;
    std::vector<Waiter> waiting;
    std::atomic<std::size_t> count{0};
    Writer* writer = nullptr;
    bool armed = false;
    /// Those who wait for a batch that is not being written yet, while `taken` is the writer's.
    std::size_t gathered = 0;
    std::uint64_t taken = 0;
    /// Those who will wait for it, in the batch before too, and whether it was asked for already.
    std::size_t hastened = 0;
    std::size_t hastened_before = 0;
    bool asked = false;

    /// On any thread.
    void post_wake() {
        if (count.load() != 0) {
            asio::post(executor, [self = shared_from_this()] { self->wake(); });
        }
    }

    void add(std::uint64_t sequence, std::size_t expected, Handler handler) {
        waiting.push_back({sequence, std::chrono::steady_clock::now(), std::move(handler)});
        count.store(waiting.size());
        if (!armed) {
            arm(timeout);
        }
        if (writer == nullptr || writer->durable() >= sequence || writer->failure()) {
            post_wake();
        } else if (gather(sequence) * 4 >= expected * 3) {
            writer->want();
        } else if (sequence > taken) {
            writer->hurry();
        }
    }

    /// How many wait for the batch after the one that is being written.
    std::size_t gather(std::uint64_t sequence) {
        const std::uint64_t now = writer->taken();
        if (now != taken) {
            taken = now;
            hastened_before = std::exchange(hastened, 0);
            asked = false;
            gathered = static_cast<std::size_t>(std::ranges::count_if(
                waiting, [now](const Waiter& waiter) { return waiter.sequence > now; }));
        } else if (sequence > now) {
            ++gathered;
        }
        return gathered;
    }

    void hasten(std::uint64_t sequence, std::size_t expected) {
        (void)gather(0);
        if (sequence <= taken) {
            return;
        }
        ++hastened;
        // As many as came to the batch before may come again: one sync for all of them.
        if (!asked && hastened >= std::max(expected, hastened_before)) {
            asked = true;
            writer->want();
        }
    }

    void arm(std::chrono::steady_clock::duration limit) {
        armed = true;
        watchdog.expires_after(limit);
        watchdog.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
            const auto waiters = self.lock();
            if (!error && waiters) {
                waiters->armed = false;
                waiters->finish_late();
            }
        });
    }

    void wake() {
        std::optional<Error> failure = Error(StoreError::closed);
        std::uint64_t durable = 0;
        if (writer != nullptr) {
            failure = writer->failure();
            durable = writer->durable();
        }
        finish([&](const Waiter& waiter) -> std::optional<Result<void>> {
            if (waiter.sequence <= durable) {
                return Result<void>{};
            }
            if (failure) {
                return fail(*failure);
            }
            return std::nullopt;
        });
    }

    void finish_late() {
        const auto now = std::chrono::steady_clock::now();
        finish([&](const Waiter& waiter) -> std::optional<Result<void>> {
            if (now - waiter.since >= timeout) {
                return fail(CommonError::timeout, "the disk does not answer");
            }
            return std::nullopt;
        });
        if (!waiting.empty() && !armed) {
            const auto oldest = std::ranges::min_element(waiting, {}, &Waiter::since)->since;
            arm(oldest + timeout - now);
        }
    }

    /// Takes out those whose outcome is known, then resumes them: they may wait again or close the
    /// log.
    template <class Outcome>
    void finish(Outcome outcome) {
        std::vector<std::pair<Handler, Result<void>>> done;
        std::vector<Waiter> left;
        for (Waiter& waiter : waiting) {
            if (auto result = outcome(waiter)) {
                done.emplace_back(std::move(waiter.handler), std::move(*result));
            } else {
                left.push_back(std::move(waiter));
            }
        }
        waiting.swap(left);
        count.store(waiting.size());
        if (waiting.empty() && armed) {
            armed = false;
            watchdog.cancel();
        }
        for (auto& [handler, result] : done) {
            std::move(handler)(std::move(result));
        }
    }
};

GroupCommitLog::GroupCommitLog(
    std::shared_ptr<Waiters> waiters, std::unique_ptr<Writer> writer, LogRecovery recovery)
    : waiters_(std::move(waiters)), writer_(std::move(writer)), recovery_(std::move(recovery)) {
    waiters_->writer = writer_.get();
}

GroupCommitLog::~GroupCommitLog() { close(); }

Result<std::unique_ptr<GroupCommitLog>> GroupCommitLog::open(
    LogSettings settings, async::Executor executor, std::uint64_t from_sequence, Replay replay) {
    if (settings.segment_bytes < 64 * kKiB || settings.segment_bytes > kGiB) {
        return fail(CommonError::invalid_input, "a log segment has 64 KiB to 1 GiB");
    }
    std::error_code failed;
    if (std::filesystem::create_directories(settings.directory, failed)) {
        std::filesystem::permissions(settings.directory, std::filesystem::perms::owner_all, failed);
    }
    if (failed) {
        return fail(errno_error("make " + settings.directory.string(), failed.value()));
    }
    TRY(auto content, internal::read_log(settings.directory, from_sequence, replay));
    LogRecovery recovery = content.recovery;
    auto waiters = std::make_shared<Waiters>(std::move(executor), settings.sync_timeout);
    auto writer = std::make_unique<Writer>(
        std::move(settings), std::move(content), [raw = waiters.get()] { raw->post_wake(); });
    TRY_VOID(writer->start());
    return std::unique_ptr<GroupCommitLog>(
        new GroupCommitLog(std::move(waiters), std::move(writer), std::move(recovery)));
}

const LogRecovery& GroupCommitLog::recovery() const { return recovery_; }

Result<std::uint64_t> GroupCommitLog::append(std::uint8_t type, BytesView payload, LogUse use) {
    if (!writer_) {
        return fail(StoreError::closed, "the log is closed");
    }
    return writer_->append(type, payload, use);
}

async::Task<Result<void>> GroupCommitLog::durable(std::uint64_t sequence, std::size_t expected) {
    if (is_durable(sequence)) {
        co_return Result<void>{};
    }
    auto waiters = waiters_;
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<void>)>(
        [waiters, sequence, expected](auto handler) {
            waiters->add(sequence, expected, Waiters::Handler(std::move(handler)));
        },
        asio::use_awaitable);
}

void GroupCommitLog::hasten(std::uint64_t sequence, std::size_t expected) {
    if (writer_) {
        waiters_->hasten(sequence, expected);
    }
}

bool GroupCommitLog::is_durable(std::uint64_t sequence) const {
    return writer_ && sequence <= writer_->durable();
}

void GroupCommitLog::rotate() {
    if (writer_) {
        writer_->rotate();
    }
}

void GroupCommitLog::drop_before(std::uint64_t sequence) {
    if (writer_) {
        writer_->drop_before(sequence);
    }
}

LogStatistics GroupCommitLog::statistics() const {
    return writer_ ? writer_->statistics() : LogStatistics{};
}

void GroupCommitLog::close() {
    if (!writer_) {
        return;
    }
    writer_->stop();
    // Those whose records the last sync covered are told so; the rest learn that the log is closed.
    waiters_->wake();
    waiters_->writer = nullptr;
    writer_.reset();
}

}  // namespace decloud::store
