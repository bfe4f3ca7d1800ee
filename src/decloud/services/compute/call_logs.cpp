#include "call_logs.hpp"

#include <decloud/base/bytes.hpp>
#include <decloud/base/encoding.hpp>

#include <algorithm>

namespace decloud::services {

namespace {

/// What an entry costs besides its text.
constexpr std::size_t kEntryBytes = 256;
/// What went wrong on the provider's machine is for its operator alone.
constexpr std::string_view kProviderFault = "the provider's sandbox failed";

std::size_t size_of(const CallLog& entry) {
    return kEntryBytes + entry.detail.size() + entry.errors.size();
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

/// The last `limit` bytes, from the start of a character; what is not UTF-8 is replaced.
std::string end_of(std::string_view text, std::size_t limit) {
    if (text.size() > limit) {
        text.remove_prefix(text.size() - limit);
        while (!text.empty() && continues_character(text.front())) {
            text.remove_prefix(1);
        }
    }
    std::string out(text);
    if (!is_utf8(as_bytes(out))) {
        std::ranges::replace_if(
            out, [](char c) { return static_cast<unsigned char>(c) >= 0x80U; }, '?');
    }
    return out;
}

}  // namespace

CallLogs::CallLogs(async::Executor executor, const Clock& clock, CallLogsLimits limits)
    : executor_(std::move(executor)), clock_(clock), limits_(limits) {}

void CallLogs::keep(
    const std::string& cid, const sandbox::Outcome& outcome, std::string_view errors) {
    const bool asked = outcome.egress && outcome.egress->requests + outcome.egress->refused > 0;
    if (errors.empty() && outcome.succeeded() && !asked) {
        return;
    }
    add(cid,
        {.number = 0,
            .time = {},
            .end = std::string(sandbox::to_string(outcome.end)),
            .exit_code = outcome.exit_code,
            .detail = outcome.provider_fault() ? std::string(kProviderFault)
                                               : end_of(outcome.detail, limits_.bytes_per_call),
            .cpu = outcome.cpu,
            .peak_bytes = outcome.peak_bytes,
            .errors = {},
            .egress = outcome.egress},
        errors);
}

void CallLogs::keep_server(const std::string& cid, std::string_view errors) {
    CallLog entry;
    entry.end = "running";
    add(cid, std::move(entry), errors);
}

void CallLogs::add(const std::string& cid, CallLog entry, std::string_view errors) {
    entry.number = next_++;
    entry.time = clock_.unix_seconds();
    entry.errors = end_of(errors, limits_.bytes_per_call);
    if (heard_) {
        heard_(entry);
    }
    Kept& kept = kept_[cid];
    sizes_.erase({kept.bytes, cid});
    kept.bytes += size_of(entry);
    bytes_ += size_of(entry);
    sizes_.emplace(kept.bytes, cid);
    kept.calls.push_back(std::move(entry));
    if (kept.calls.size() > limits_.calls) {
        drop_oldest(cid);
    }
    while (bytes_ > limits_.bytes) {
        drop_oldest(std::string(sizes_.rbegin()->second));
    }
    for (Follower* follower : followers_) {
        if (follower->cid_ == cid) {
            follower->wake();
        }
    }
}

void CallLogs::drop_oldest(const std::string& cid) {
    const auto found = kept_.find(cid);
    Kept& kept = found->second;
    sizes_.erase({kept.bytes, cid});
    const std::size_t size = size_of(kept.calls.front());
    kept.bytes -= size;
    bytes_ -= size;
    kept.calls.pop_front();
    if (kept.calls.empty()) {
        kept_.erase(found);
    } else {
        sizes_.emplace(kept.bytes, cid);
    }
}

std::vector<CallLog> CallLogs::read(const std::string& cid, std::uint64_t after) const {
    const auto found = kept_.find(cid);
    if (found == kept_.end()) {
        return {};
    }
    const std::deque<CallLog>& calls = found->second.calls;
    return {std::ranges::upper_bound(calls, after, {}, &CallLog::number), calls.end()};
}

std::optional<CallLog> CallLogs::next(const std::string& cid, std::uint64_t after) const {
    const auto found = kept_.find(cid);
    if (found == kept_.end()) {
        return std::nullopt;
    }
    const auto entry = std::ranges::upper_bound(found->second.calls, after, {}, &CallLog::number);
    return entry == found->second.calls.end() ? std::nullopt : std::optional(*entry);
}

void CallLogs::forget(const std::string& cid) {
    const auto found = kept_.find(cid);
    if (found == kept_.end()) {
        return;
    }
    sizes_.erase({found->second.bytes, cid});
    bytes_ -= found->second.bytes;
    kept_.erase(found);
}

std::unique_ptr<CallLogs::Follower> CallLogs::follow(
    const std::string& owner, const std::string& cid) {
    const auto of_this = std::ranges::count_if(
        followers_, [&owner](const Follower* follower) { return follower->owner_ == owner; });
    if (stopped_ || followers_.size() >= limits_.all_followers ||
        static_cast<std::size_t>(of_this) >= limits_.followers) {
        return nullptr;
    }
    return std::make_unique<Follower>(*this, owner, cid);
}

void CallLogs::stop() {
    stopped_ = true;
    for (Follower* follower : followers_) {
        follower->wake();
    }
}

CallLogs::Follower::Follower(CallLogs& logs, std::string owner, std::string cid)
    : logs_(logs), owner_(std::move(owner)), cid_(std::move(cid)), news_(logs.executor_) {
    place_ = logs_.followers_.insert(logs_.followers_.end(), this);
}

CallLogs::Follower::~Follower() { logs_.followers_.erase(place_); }

async::Task<void> CallLogs::Follower::wait(std::chrono::steady_clock::duration limit) {
    if (!logs_.stopped_) {
        (void)co_await news_.wait(limit);
    }
    news_.reset();
}

json::Object to_json(const CallLog& entry) {
    json::Object out{{"number", entry.number}, {"time", entry.time.value}, {"end", entry.end},
        {"exitCode", entry.exit_code}, {"detail", entry.detail},
        {"cpuMicroseconds", entry.cpu.count()}, {"peakBytes", entry.peak_bytes},
        {"stderr", entry.errors}};
    if (entry.egress) {
        out["egress"] = json::Object{{"requests", entry.egress->requests},
            {"refused", entry.egress->refused}, {"sentBytes", entry.egress->sent_bytes},
            {"receivedBytes", entry.egress->received_bytes}};
    }
    return out;
}

}  // namespace decloud::services
