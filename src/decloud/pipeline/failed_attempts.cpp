#include "failed_attempts.hpp"

#include <algorithm>
#include <chrono>
#include <list>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace decloud::pipeline {

using protocol::Checked;
using protocol::Problem;
using protocol::Status;

namespace {

using TimePoint = std::chrono::system_clock::time_point;

bool is_failed_attempt(const Problem& problem) {
    return problem.status == Status::invalid_signature ||
           (problem.status == Status::bad_request && problem.http_status == 400);
}

class FailedAttempts final : public protocol::Admission {
  public:
    FailedAttempts(FailedAttemptsSettings settings, const Clock& clock, metrics::Registry& metrics)
        : settings_(std::move(settings)),
          clock_(clock),
          turned_away_(metrics.counter("decloud_requests_turned_away_total",
              "Requests of clients that had failed too often.",
              {})),
          exempt_(settings_.exempt.begin(), settings_.exempt.end()) {}

    [[nodiscard]] std::string_view name() const override { return "failed-attempts"; }

    [[nodiscard]] bool checks_calls() const override { return false; }

    [[nodiscard]] async::Task<Checked<protocol::HeaderFields>> check(
        std::shared_ptr<const protocol::Call> /*call*/,
        std::shared_ptr<const protocol::Terms> /*terms*/) override {
        co_return protocol::HeaderFields{};
    }

    [[nodiscard]] Checked<void> screen(std::string_view client) override {
        if (clients_.empty()) {
            return {};
        }
        const auto found = clients_.find(std::string(client));
        if (found == clients_.end()) {
            return {};
        }
        // There must be room for one more failure.
        if (forgive(found->second) + 1 <= settings_.per_minute) {
            return {};
        }
        turned_away_.increment();
        const std::uint32_t wait = (60 + settings_.per_minute - 1) / settings_.per_minute;
        auto refusal = protocol::refuse(429, Status::declined,
            "too many requests from this address were malformed or wrongly signed",
            "wait, then look at what those requests were answered");
        refusal.error().headers.emplace_back("Retry-After", std::to_string(wait));
        return refusal;
    }

    void refused(std::string_view client, const Problem& problem) override {
        if (settings_.per_minute == 0 || !is_failed_attempt(problem) || is_exempt(client)) {
            return;
        }
        const auto [place, added] = clients_.try_emplace(std::string(client));
        Entry& entry = place->second;
        if (added) {
            order_.push_back(place->first);
            entry.order = std::prev(order_.end());
            entry.at = clock_.now();
        } else {
            order_.splice(order_.end(), order_, entry.order);
        }
        // What is over the limit is not piled up: a client that stops is soon let in again.
        entry.failures = std::min<double>(forgive(entry) + 1, settings_.per_minute);
        while (clients_.size() > settings_.max_clients) {
            clients_.erase(order_.front());
            order_.pop_front();
        }
    }

  private:
    struct Entry {
        double failures = 0;
        TimePoint at;
        std::list<std::string>::iterator order;
    };

    [[nodiscard]] bool is_exempt(std::string_view client) const {
        // "::/64" is what counts for ::1.
        return client.empty() || client == "local" || client == "::/64" ||
               client.starts_with("127.") || exempt_.contains(std::string(client));
    }

    /// Brings the count to now.
    double forgive(Entry& entry) const {
        const TimePoint now = clock_.now();
        const double minutes =
            std::chrono::duration<double, std::ratio<60>>(now - entry.at).count();
        entry.failures =
            std::max(0.0, entry.failures - std::max(0.0, minutes) * settings_.per_minute);
        entry.at = now;
        return entry.failures;
    }

    FailedAttemptsSettings settings_;
    const Clock& clock_;
    metrics::Counter& turned_away_;
    std::unordered_set<std::string> exempt_;
    std::unordered_map<std::string, Entry> clients_;
    std::list<std::string> order_;
};

}  // namespace

std::unique_ptr<protocol::Admission> make_failed_attempts_rule(
    FailedAttemptsSettings settings, const Clock& clock, metrics::Registry& metrics) {
    return std::make_unique<FailedAttempts>(std::move(settings), clock, metrics);
}

}  // namespace decloud::pipeline
