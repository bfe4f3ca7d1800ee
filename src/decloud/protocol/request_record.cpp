#include "request_record.hpp"

#include <decloud/base/log.hpp>

#include <algorithm>
#include <utility>

namespace decloud::protocol {

namespace {

constexpr std::size_t kMaxIdBytes = 64;

bool is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

RequestRecord::RequestRecord(std::string_view where, RecordSettings settings, net::TraceSpan span)
    : where_(where), settings_(settings), span_(std::move(span)) {}

void RequestRecord::set_request_id(std::string_view id) {
    if (id.size() <= kMaxIdBytes && std::ranges::all_of(id, is_id_character)) {
        request_id_ = id;
    }
}

RequestRecord::~RequestRecord() {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - began_);
    const net::TraceContext& context = span_.context;
    if (settings_.access_log) {
        log::info("access", "{} status={} duration_us={} trace={} request={}", where_, status_,
            took.count(), context.trace_id, request_id_.empty() ? "-" : request_id_);
    }
    if (settings_.traces.picks(context.trace_id)) {
        log::info("trace", "{} trace={} span={} parent={} duration_us={} status={} request={}",
            where_, context.trace_id, context.parent_id,
            span_.caller_id.empty() ? "-" : span_.caller_id, took.count(), status_,
            request_id_.empty() ? "-" : request_id_);
    }
}

}  // namespace decloud::protocol
