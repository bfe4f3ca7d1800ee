#pragma once

#include <decloud/async/event.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/units.hpp>
#include <decloud/sandbox/types.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace decloud::services {

/// How much of what programs say is kept, in memory alone.
struct CallLogsLimits {
    /// Of the end of one call's stderr.
    std::size_t bytes_per_call = 16 * kKiB;
    /// Newest calls of one deployment.
    std::size_t calls = 100;
    /// Of all deployments together. Beyond it the one that has most loses its oldest.
    std::size_t bytes = 32 * kMiB;
    /// Readers at the same time, of one owner and in all.
    std::size_t followers = 4;
    std::size_t all_followers = 64;
};

/// What one call left behind, for the owner of its deployment.
struct CallLog {
    /// Counts all entries of this node's run; never used twice.
    std::uint64_t number = 0;
    UnixSeconds time;
    /// "exited", "trapped", …; "running" for what a server said while it goes on.
    std::string end;
    int exit_code = 0;
    std::string detail;
    std::chrono::microseconds cpu{0};
    std::uint64_t peak_bytes = 0;
    /// UTF-8.
    std::string errors;
    /// Of a function with a way out.
    std::optional<sandbox::EgressUse> egress{};
};

/// The newest calls of each deployment that wrote to stderr, failed or asked for another machine;
/// calls that did none of these leave nothing. Single threaded.
class CallLogs {
  public:
    /// The clock outlives this.
    CallLogs(async::Executor executor, const Clock& clock, CallLogsLimits limits = {});

    /// How a call of deployment `cid` ended, with `errors` from its stderr.
    void keep(const std::string& cid, const sandbox::Outcome& outcome, std::string_view errors);
    /// What a server that goes on has written to stderr.
    void keep_server(const std::string& cid, std::string_view errors);
    /// Of the deployment, those with a higher number than `after`, oldest first.
    [[nodiscard]] std::vector<CallLog> read(const std::string& cid, std::uint64_t after) const;
    /// The first of them, if there is one.
    [[nodiscard]] std::optional<CallLog> next(const std::string& cid, std::uint64_t after) const;
    /// The number of the newest entry, 0 before the first.
    [[nodiscard]] std::uint64_t newest() const { return next_ - 1; }
    /// All of the deployment.
    void forget(const std::string& cid);
    /// Bytes that are kept.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    /// One reader, who may wait for more. Releases its place when destroyed; outlived by the logs.
    class Follower {
      public:
        Follower(CallLogs& logs, std::string owner, std::string cid);
        ~Follower();
        Follower(const Follower&) = delete;
        Follower& operator=(const Follower&) = delete;
        /// Until something was kept of the deployment since the last wait, `wake` was called, the
        /// logs were stopped, or `limit` is over.
        [[nodiscard]] async::Task<void> wait(std::chrono::steady_clock::duration limit);
        void wake() { news_.set(); }

      private:
        friend class CallLogs;
        CallLogs& logs_;
        std::string owner_;
        std::string cid_;
        async::Event news_;
        std::list<Follower*>::iterator place_;
    };
    /// Null if too many read already, that owner's or all, or after `stop`.
    [[nodiscard]] std::unique_ptr<Follower> follow(
        const std::string& owner, const std::string& cid);
    /// Tells every entry from now on, as it is kept.
    void on_entry(std::function<void(const CallLog&)> heard) { heard_ = std::move(heard); }
    /// No follower waits from now on.
    void stop();
    [[nodiscard]] bool stopped() const { return stopped_; }

  private:
    struct Kept {
        std::deque<CallLog> calls;
        std::size_t bytes = 0;
    };
    void add(const std::string& cid, CallLog entry, std::string_view errors);
    void drop_oldest(const std::string& cid);

    async::Executor executor_;
    const Clock& clock_;
    CallLogsLimits limits_;
    std::unordered_map<std::string, Kept> kept_;
    /// By how much they have.
    std::set<std::pair<std::size_t, std::string>> sizes_;
    std::size_t bytes_ = 0;
    std::uint64_t next_ = 1;
    std::list<Follower*> followers_;
    std::function<void(const CallLog&)> heard_;
    bool stopped_ = false;
};

/// As its owner gets it.
[[nodiscard]] json::Object to_json(const CallLog& entry);

}  // namespace decloud::services
