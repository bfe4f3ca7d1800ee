#pragma once

#include "ledger.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/base/clock.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace decloud::payments::testing {

inline constexpr std::uint64_t kStart = 1'795'230'000;
inline const AssetId kAsset{"eip155:31337/erc20:0x00"};

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "decloud-ledger-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

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
        : clock(UnixSeconds{start}), directory_(std::move(directory)), settings_(settings) {
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
        std::filesystem::remove_all(target);
        std::filesystem::copy(directory_, target, std::filesystem::copy_options::recursive);
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

}  // namespace decloud::payments::testing
