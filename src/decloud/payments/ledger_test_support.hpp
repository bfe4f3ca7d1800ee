#pragma once

#include "ledger.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/testing/temporary_folder.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace decloud::payments::testing {

inline constexpr std::uint64_t kStart = 1'795'230'000;
inline const AssetId kAsset{"eip155:31337/erc20:0x00"};

inline LedgerSettings small_settings() {
    LedgerSettings settings;
    settings.log_segment_bytes = 256 * kKiB;
    settings.checkpoint_bytes = 64 * kKiB;
    return settings;
}

/// One node's ledger in a folder. Tasks run to their end on its own loop.
class Node {
  public:
    explicit Node(std::filesystem::path directory,
        LedgerSettings settings = small_settings(),
        std::uint64_t start = kStart)
        : clock(UnixSeconds{start}),
          directory_(std::move(directory)),
          settings_(std::move(settings)) {
        settings_.directory = directory_;
        std::filesystem::create_directories(directory_);
        auto engine = make_sqlite_state_engine(directory_ / "slices.sqlite", pool_);
        EXPECT_TRUE(engine) << engine.error().message();
        engine_ = std::move(*engine);
        opened = Ledger::open(settings_, context.get_executor(), *engine_, clock);
    }
    ~Node() { close(); }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    Ledger& ledger() { return **opened; }

    /// What the engine has of a payer's slices.
    Amount granted(const PayerAccount& payer) {
        const auto slices = engine_->resume().value();
        const auto found = std::ranges::find(slices, payer, &Slice::payer);
        return found == slices.end() ? Amount{} : found->granted;
    }

    /// Runs `body` while the ledger's own tasks go on beside it.
    void run(const std::function<async::Task<void>()>& body) {
        bool done = false;
        async::TaskGroup group(context.get_executor());
        group.spawn([](std::function<async::Task<void>()> work, bool* flag) -> async::Task<void> {
            co_await work();
            *flag = true;
        }(body, &done));
        context.restart();
        while (!done) {
            context.run_one();
        }
        while (group.size() != 0) {
            context.run_one();
        }
    }

    void close() {
        if (opened && *opened) {
            run([this]() -> async::Task<void> {
                const auto closed = co_await ledger().close();
                EXPECT_TRUE(closed) << closed.error().message();
            });
            opened->reset();
        }
    }

    /// Copies everything that is on disk at this moment, as a kill would leave it.
    void copy_to(const std::filesystem::path& target) const {
        // Meanwhile the log deletes old segments, and SQLite cuts its journal off: a file may go
        // (ENOENT) or shrink (EIO) while it is copied.
        std::error_code changed;
        for (int tried = 0; tried < 100; ++tried) {
            std::filesystem::remove_all(target);
            std::filesystem::copy(
                directory_, target, std::filesystem::copy_options::recursive, changed);
            if (changed != std::errc::no_such_file_or_directory && changed != std::errc::io_error) {
                break;
            }
        }
        EXPECT_FALSE(changed) << changed.message();
    }

    ManualClock clock;
    boost::asio::io_context context;
    Result<std::unique_ptr<Ledger>> opened = fail(CommonError::internal);

  private:
    std::filesystem::path directory_;
    LedgerSettings settings_;
    boost::asio::thread_pool pool_{1};
    std::unique_ptr<StateEngine> engine_;
};

inline ChannelState channel(std::uint64_t reserved, std::uint64_t price = 1000) {
    ChannelState state;
    state.asset = kAsset;
    state.owner = "0x01";
    state.reserved = Amount(reserved);
    state.price = Amount(price);
    state.block = 1;
    return state;
}

inline HoldRequest request(const PayerAccount& payer, std::uint64_t max) {
    HoldRequest hold;
    hold.payer = payer;
    hold.asset = kAsset;
    hold.max = Amount(max);
    hold.call_id = "call";
    return hold;
}

inline CallRecord call_record() {
    CallRecord call;
    call.service = "compute";
    call.subject = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    call.status = 200;
    call.response_bytes = 6;
    return call;
}

inline const PayerAccount kPayer{"channel:0x01"};

class LedgerTest : public ::testing::Test {
  protected:
    void fund(std::uint64_t reserved, std::uint64_t price = 1000) {
        node().run([&, reserved, price]() -> async::Task<void> {
            EXPECT_TRUE(node().ledger().record_chain(kPayer, channel(reserved, price)));
            // The first call leases the slice, which the rest then hold from memory.
            const auto hold = co_await node().ledger().acquire(request(kPayer, 1));
            EXPECT_TRUE(hold);
            EXPECT_TRUE(node().ledger().release(*hold, ReleaseReason::other));
        });
    }

    ReceiptId spend(std::uint64_t amount, std::optional<std::string> key = std::nullopt) {
        ReceiptId receipt;
        node().run([&]() -> async::Task<void> {
            auto wanted = request(kPayer, amount);
            wanted.idempotency_key = key;
            wanted.expires = UnixSeconds{kStart + 300};
            const auto hold = co_await node().ledger().acquire(std::move(wanted));
            EXPECT_TRUE(hold) << hold.error().message();
            EXPECT_TRUE(co_await node().ledger().served(*hold));
            const auto done = node().ledger().commit(*hold, Amount(amount), call_record());
            EXPECT_TRUE(done) << done.error().message();
            EXPECT_TRUE(co_await node().ledger().flush());
            receipt = done.value();
        });
        return receipt;
    }

    /// The log is flushed by the loop, which a test without one has to run now and then.
    void flush_every(int calls, int call) {
        if (call % calls == 0) {
            node().run(
                [&]() -> async::Task<void> { EXPECT_TRUE(co_await node().ledger().flush()); });
        }
    }

    Node& node() { return *node_; }
    void reopen(std::uint64_t start = kStart) {
        node_.reset();
        node_ = std::make_unique<Node>(folder_.path() / "home", small_settings(), start);
        ASSERT_TRUE(node_->opened) << node_->opened.error().message();
    }
    /// As if the process had been killed now: what it does afterwards does not count.
    void kill_and_reopen() {
        const auto copy = folder_.path() / "copy";
        node().copy_to(copy);
        node_.reset();
        std::filesystem::remove_all(folder_.path() / "home");
        std::filesystem::rename(copy, folder_.path() / "home");
        node_ = std::make_unique<Node>(folder_.path() / "home");
        ASSERT_TRUE(node_->opened) << node_->opened.error().message();
    }

    TemporaryFolder folder_;
    std::unique_ptr<Node> node_ = std::make_unique<Node>(folder_.path() / "home");
};

}  // namespace decloud::payments::testing
