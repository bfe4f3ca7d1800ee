// Durable spends per second of the ledger alone: 64 coroutines on one loop, each acquire, served
// (durable), commit. ledger_bench [payers] [seconds] [coroutines] [folder] [committed]
// With `committed` each waits until its commit is on disk, as a database's client does, and has no
// counter.

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/payments/ledger.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace decloud;            // NOLINT(google-build-using-namespace)
using namespace decloud::payments;  // NOLINT(google-build-using-namespace)

const AssetId kAsset{"eip155:31337/erc20:0x00"};

struct Run {
    Ledger& ledger;
    std::vector<PayerAccount> payers;
    std::chrono::steady_clock::time_point end;
    bool committed = false;
    std::size_t clients = 0;
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
};

HoldRequest request(const PayerAccount& payer) {
    HoldRequest hold;
    hold.payer = payer;
    hold.asset = kAsset;
    hold.max = Amount(1);
    hold.call_id = "0123456789abcdef";
    hold.counters.push_back({"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi|any|day",
        UINT64_MAX, std::nullopt});
    return hold;
}

/// The product's way, or the stricter one.
async::Task<bool> spend(Run& run, const PayerAccount& payer, const CallRecord& call) {
    HoldRequest wanted = request(payer);
    if (run.committed) {
        wanted.counters.clear();
    }
    const auto hold = co_await run.ledger.acquire(std::move(wanted));
    if (!hold || (!run.committed && !co_await run.ledger.served(*hold)) ||
        !run.ledger.commit(*hold, Amount(1), call)) {
        co_return false;
    }
    co_return !run.committed || co_await run.ledger.flush();
}

async::Task<void> client(Run& run, std::size_t at) {
    CallRecord call;
    call.service = "compute";
    call.subject = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    call.status = 200;
    while (std::chrono::steady_clock::now() < run.end) {
        const PayerAccount& payer = run.payers[at % run.payers.size()];
        at += run.clients;
        if (!co_await spend(run, payer, call)) {
            ++run.failures;
            co_await async::delay(std::chrono::milliseconds(1));
            continue;
        }
        ++run.calls;
    }
}

/// A payer's first call leases its slice, which is not what is measured.
async::Task<void> lease_slice(Ledger& ledger, PayerAccount payer) {
    if (const auto hold = co_await ledger.acquire(request(payer))) {
        static_cast<void>(ledger.release(*hold, ReleaseReason::other));
    }
}

double processor_seconds(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

async::Task<void> measure(
    Ledger& ledger, std::size_t payers, int seconds, std::size_t clients, bool committed) {
    Run run{ledger, {}, {}, committed, clients};
    for (std::size_t i = 0; i < payers; ++i) {
        run.payers.push_back({fmt::format("channel:0x{:064x}", i)});
        ChannelState chain;
        chain.asset = kAsset;
        chain.owner = fmt::format("0x{:040x}", i);
        chain.reserved = Amount(Uint128{1} << 60U);
        chain.price = Amount(1);
        while (!ledger.record_chain(run.payers.back(), chain)) {
            co_await async::delay(std::chrono::milliseconds(1));
        }
    }
    async::TaskGroup warm_up(co_await boost::asio::this_coro::executor);
    for (const PayerAccount& payer : run.payers) {
        warm_up.spawn(lease_slice(ledger, payer));
    }
    co_await warm_up.join();
    run.end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    const auto started = std::chrono::steady_clock::now();
    const double loop_before = processor_seconds(CLOCK_THREAD_CPUTIME_ID);
    const double all_before = processor_seconds(CLOCK_PROCESS_CPUTIME_ID);
    async::TaskGroup group(co_await boost::asio::this_coro::executor);
    for (std::size_t i = 0; i < clients; ++i) {
        group.spawn(client(run, i));
    }
    co_await group.join();
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    const auto calls = static_cast<double>(run.calls);
    fmt::print(
        "{} payers, {} coroutines: {:.0f} durable spends/s, {} failures; per spend {:.2f} µs "
        "of the loop's thread, {:.2f} µs of all threads\n",
        payers, clients, calls / took, run.failures,
        (processor_seconds(CLOCK_THREAD_CPUTIME_ID) - loop_before) * 1e6 / calls,
        (processor_seconds(CLOCK_PROCESS_CPUTIME_ID) - all_before) * 1e6 / calls);
    if (const auto closed = co_await ledger.close(); !closed) {
        fmt::print(stderr, "{}\n", closed.error().message());
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int index, int otherwise) {
        return argc > index ? std::atoi(argv[index]) : otherwise;
    };
    const std::filesystem::path folder =
        argc > 4 ? argv[4] : std::filesystem::temp_directory_path() / "decloud-ledger-bench";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    boost::asio::io_context context(1);
    boost::asio::thread_pool pool(1);
    auto engine = make_sqlite_state_engine(folder / "slices.sqlite", pool);
    LedgerSettings settings;
    settings.directory = folder / "ledger";
    settings.max_exposure_per_payer = settings.max_exposure_per_owner = settings.max_exposure =
        Amount(Uint128{1} << 100U);
    settings.slice = Amount(Uint128{1} << 40U);
    auto ledger = Ledger::open(settings, context.get_executor(), **engine, system_clock());
    if (!ledger) {
        fmt::print(stderr, "{}\n", ledger.error().message());
        return 1;
    }
    async::TaskGroup group(context.get_executor());
    group.spawn(measure(**ledger, static_cast<std::size_t>(number(1, 1000)), number(2, 5),
        static_cast<std::size_t>(number(3, 64)),
        argc > 5 && std::string_view(argv[5]) == "committed"));
    context.run();
    std::filesystem::remove_all(folder);
    return 0;
}
