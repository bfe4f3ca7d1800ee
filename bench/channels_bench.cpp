// A ledger that knows many channels: channels_bench make N FOLDER writes it, channels_bench measure
// N SECONDS FOLDER opens it and spends from 1,000 of them (or all, if they are fewer), one call at
// a time. Prints a line of JSON.

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/payments/ledger.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace decloud;            // NOLINT(google-build-using-namespace)
using namespace decloud::payments;  // NOLINT(google-build-using-namespace)
using SteadyClock = std::chrono::steady_clock;

const AssetId kAsset{"eip155:31337/erc20:0x00"};
constexpr std::size_t kActive = 1000;

PayerAccount account(std::size_t index) { return {fmt::format("channel:0x{:064x}", index)}; }

HoldRequest request(std::size_t index) {
    HoldRequest hold;
    hold.payer = account(index);
    hold.asset = kAsset;
    hold.max = Amount(1);
    hold.call_id = "0123456789abcdef";
    return hold;
}

struct Home {
    explicit Home(const std::filesystem::path& folder)
        : engine(make_sqlite_state_engine(folder / "slices.sqlite", pool).value()) {
        LedgerSettings settings;
        settings.directory = folder / "ledger";
        settings.max_exposure_per_payer = settings.max_exposure_per_owner = settings.max_exposure =
            Amount(Uint128{1} << 100U);
        ledger = Ledger::open(settings, context.get_executor(), *engine, system_clock()).value();
    }
    boost::asio::io_context context{1};
    boost::asio::thread_pool pool{1};
    std::unique_ptr<StateEngine> engine;
    std::unique_ptr<Ledger> ledger;
};

async::Task<void> make(Ledger& ledger, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        ChannelState chain;
        chain.asset = kAsset;
        chain.owner = fmt::format("0x{:040x}", i);
        chain.reserved = Amount(Uint128{1} << 60U);
        chain.price = Amount(1);
        // Its log takes so much at a time.
        while (!ledger.record_chain(account(i), chain)) {
            co_await async::delay(std::chrono::milliseconds(1));
        }
    }
    if (const auto closed = co_await ledger.close(); !closed) {
        fmt::print(stderr, "{}\n", closed.error().message());
    }
}

async::Task<bool> spend(Ledger& ledger, std::size_t index) {
    CallRecord call;
    call.service = "compute";
    call.subject = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    call.status = 200;
    const auto hold = co_await ledger.acquire(request(index));
    co_return hold&& co_await ledger.served(*hold) && ledger.commit(*hold, Amount(1), call);
}

double at(const std::vector<double>& sorted, std::size_t percent) {
    return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
}

struct Times {
    std::vector<double> first;
    std::vector<double> later;
    std::uint64_t failures = 0;
};

async::Task<void> measure(Ledger& ledger, std::size_t count, int seconds, Times& times) {
    const std::size_t active = std::min(count, kActive);
    const auto timed = [&](std::size_t n, std::vector<double>& into) -> async::Task<void> {
        const auto start = SteadyClock::now();
        // Spread over all of them.
        times.failures += co_await spend(ledger, n % active * (count / active)) ? 0 : 1;
        const std::chrono::duration<double, std::micro> took = SteadyClock::now() - start;
        into.push_back(took.count());
    };
    // A channel's first call leases its slice.
    for (std::size_t n = 0; n < active; ++n) {
        co_await timed(n, times.first);
    }
    const auto end = SteadyClock::now() + std::chrono::seconds(seconds);
    for (std::size_t n = 0; SteadyClock::now() < end; ++n) {
        co_await timed(n, times.later);
    }
    if (const auto closed = co_await ledger.close(); !closed) {
        fmt::print(stderr, "{}\n", closed.error().message());
    }
}

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t size = 0;
    std::size_t resident = 0;
    file >> size >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

int measure_all(std::size_t count, int seconds, const std::filesystem::path& folder) {
    const auto start = SteadyClock::now();
    Home home(folder);
    const std::chrono::duration<double, std::milli> opened = SteadyClock::now() - start;
    const std::size_t resident = resident_bytes();
    Times times;
    async::TaskGroup group(home.context.get_executor());
    group.spawn(measure(*home.ledger, count, seconds, times));
    home.context.run();
    std::ranges::sort(times.first);
    std::ranges::sort(times.later);
    fmt::print(
        "{{\"channels\": {}, \"start_ms\": {:.1f}, \"resident\": {}, \"first_p50\": {:.1f}, "
        "\"p50\": {:.1f}, \"p99\": {:.1f}, \"spends\": {}, \"failures\": {}}}\n",
        count, opened.count(), resident, at(times.first, 50), at(times.later, 50),
        at(times.later, 99), times.later.size(), times.failures);
    return times.failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string_view> words(argv + 1, argv + argc);
    if (words.size() == 3 && words[0] == "make") {
        std::filesystem::create_directories(words[2]);
        Home home(words[2]);
        async::TaskGroup group(home.context.get_executor());
        group.spawn(make(*home.ledger, std::strtoull(argv[2], nullptr, 10)));
        home.context.run();
        return 0;
    }
    if (words.size() == 4 && words[0] == "measure") {
        return measure_all(std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]), words[3]);
    }
    fmt::print(stderr, "channels_bench make N FOLDER | measure N SECONDS FOLDER\n");
    return 64;
}
