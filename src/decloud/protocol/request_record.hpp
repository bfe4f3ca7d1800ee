#pragma once

#include <decloud/net/trace_context.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace decloud::protocol {

/// What is written to the log of requests.
struct RecordSettings {
    /// A line for each.
    bool access_log = false;
    /// A line for the span of each in a trace that is picked.
    net::TraceSampling traces;
};

/// One request, from when this is made until it is destroyed: then its lines are written, of level
/// info. Neither names a path, a payer or an address.
class RequestRecord {
  public:
    /// `where` is who writes: "gateway", "provider"; it lives as long as the program.
    RequestRecord(std::string_view where, RecordSettings settings, net::TraceSpan span);
    ~RequestRecord();
    RequestRecord(const RequestRecord&) = delete;
    RequestRecord& operator=(const RequestRecord&) = delete;

    /// X-Decloud-Request-Id, if it is one: letters, digits and hyphens, at most 64.
    void set_request_id(std::string_view id);
    /// Of the answer; 0 if it is not known, or there was none.
    void set_status(int status) { status_ = status; }

  private:
    std::string_view where_;
    RecordSettings settings_;
    net::TraceSpan span_;
    std::string request_id_;
    int status_ = 0;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace decloud::protocol
