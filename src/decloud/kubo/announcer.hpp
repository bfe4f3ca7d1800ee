#pragma once

#include "api.hpp"

#include <decloud/base/result.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace decloud::kubo {

/// How often is announced.
struct AnnounceRules {
    /// New roots that wait; beyond that they wait for the next round.
    std::size_t max_waiting = 4096;
    /// Between two announcements.
    std::chrono::milliseconds between{1'000};
    /// After one that failed.
    std::chrono::milliseconds after_failure{60'000};
    /// Between the beginnings of two rounds over all roots. What the network is told lasts a day.
    std::chrono::milliseconds round = std::chrono::hours(22);
};

/// Tells the network of roots, one at a time on a thread of its own: new ones first, and all of
/// them at the start and once in each round. What fails is tried again in the next round, and told
/// to the log, once. `add` and `stop` may be called on any thread.
class Announcer {
  public:
    /// Up to `count` roots after `after`, from the first without it, in an order that stays.
    using Roots =
        std::function<Result<std::vector<Cid>>(const std::optional<Cid>& after, std::size_t count)>;
    /// Blocks. False: it is not to be announced.
    using Announce = std::function<Result<bool>(const Cid&)>;

    Announcer(Roots roots, Announce announce, AnnounceRules rules = {});
    ~Announcer();
    Announcer(const Announcer&) = delete;
    Announcer& operator=(const Announcer&) = delete;

    /// Has a root announced soon.
    void add(const Cid& root);
    /// Ends when the announcement that is under way has.
    void stop();

  private:
    using Time = std::chrono::steady_clock::time_point;

    void run();
    /// The next one, or nothing before it is time for another round. Unlocked while roots are read.
    std::optional<Cid> next(std::unique_lock<std::mutex>& lock);
    void read_page(std::unique_lock<std::mutex>& lock);
    void tell(const Error& error);

    Roots roots_;
    Announce announce_;
    AnnounceRules rules_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
    std::deque<Cid> added_;
    std::deque<Cid> page_;
    /// Where the round has come to.
    std::optional<Cid> after_;
    bool in_round_ = false;
    Time next_round_;
    std::string told_;
    std::thread thread_;
};

}  // namespace decloud::kubo
