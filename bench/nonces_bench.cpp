// The replay cache under a rate for a time: nonces_bench REQUESTS_PER_SECOND SECONDS. Each request
// issues a nonce, uses one that was issued up to a minute ago, and tries an older one again. Time
// is simulated, so that it takes as long as the work does. Prints a line of JSON.

#include <decloud/protocol/nonces.hpp>

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace decloud;  // NOLINT(google-build-using-namespace)
using SteadyClock = std::chrono::steady_clock;
using Verdict = protocol::Nonces::Verdict;

long resident_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/// Nonces on their way: the one at a place is used when the place is needed again.
class OnTheirWay {
  public:
    explicit OnTheirWay(std::size_t count) : nonces_(count) {}
    std::string exchange(std::size_t request, std::string fresh) {
        return std::exchange(nonces_[request % nonces_.size()], std::move(fresh));
    }

  private:
    std::vector<std::string> nonces_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() != 2) {
        fmt::print(stderr, "nonces_bench REQUESTS_PER_SECOND SECONDS\n");
        return 64;
    }
    const std::size_t rate = std::stoul(words[0]);
    const std::size_t seconds = std::stoul(words[1]);
    constexpr std::array kIds{"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"};
    ManualClock clock(UnixSeconds{1'800'000'000});
    protocol::Nonces nonces(clock);
    OnTheirWay fresh(rate * 60);
    OnTheirWay used(rate * 60);
    const std::size_t before = nonces.memory_bytes();
    long resident_after_two_minutes = 0;
    std::size_t good = 0;
    std::size_t replayed = 0;
    const auto start = SteadyClock::now();
    for (std::size_t request = 0; request < rate * seconds; ++request) {
        if (request % rate == 0) {
            clock.advance(std::chrono::seconds(1));
        }
        if (request == rate * 120) {
            resident_after_two_minutes = resident_kib();
        }
        const std::string nonce = fresh.exchange(request, nonces.issue(kIds.front()));
        if (!nonce.empty()) {
            good += nonces.use(kIds.front(), nonce) == Verdict::good ? 1 : 0;
        }
        const std::string old = used.exchange(request, nonce);
        if (!old.empty()) {
            replayed += nonces.use(kIds.front(), old) == Verdict::good ? 1 : 0;
        }
    }
    const double passed = std::chrono::duration<double>(SteadyClock::now() - start).count();
    const std::size_t count = rate * seconds;
    fmt::print(
        "{{\"requests\":{},\"used\":{},\"replays_taken\":{},\"bytes_before\":{},\"bytes_after\":{},"
        "\"grown_kib\":{},\"microseconds\":{:.2f}}}\n",
        count, good, replayed, before, nonces.memory_bytes(),
        resident_after_two_minutes == 0 ? 0 : resident_kib() - resident_after_two_minutes,
        passed * 1e6 / static_cast<double>(count));
    return replayed == 0 && before == nonces.memory_bytes() ? 0 : 1;
}
