#pragma once

#include "http/message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace decloud::net {

/// Where in a trace a request stands (W3C Trace Context, level 1).
struct TraceContext {
    /// 32 hexadecimal digits in lower case, not all zero.
    std::string trace_id;
    /// Of the span that sends the request: 16 such digits.
    std::string parent_id;
    /// Who sends it may have recorded it.
    bool sampled = false;

    friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

/// Of every thousand traces so many are picked: by the trace's id, so that all who pick at the same
/// rate pick the same ones.
struct TraceSampling {
    std::uint64_t per_thousand = 0;
    [[nodiscard]] bool picks(std::string_view trace_id) const;
};

/// A traceparent's value. Nothing: it has to be replaced. Of later versions what this one has is
/// read.
[[nodiscard]] std::optional<TraceContext> parse_traceparent(std::string_view text);
/// As version 00.
[[nodiscard]] std::string format_traceparent(const TraceContext& context);

/// A request's place in its trace here.
struct TraceSpan {
    /// What is passed on: `parent_id` is this span's own.
    TraceContext context;
    /// The span before this one; empty if the trace begins here.
    std::string caller_id;
};

/// Goes on with the trace of a request, or begins one where it has none that is valid, and sets
/// `traceparent` to a new span. `tracestate` stays if it is what the specification allows (one list
/// of at most 32 members and 512 bytes over all its fields) and traceparent was valid.
[[nodiscard]] TraceSpan continue_trace(http::Headers& headers, TraceSampling sampling);

}  // namespace decloud::net
