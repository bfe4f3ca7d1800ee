// What a request says about its trace: traceparent in the first line, tracestate in the others.

#include <decloud/base/bytes.hpp>
#include <decloud/net/trace_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace decloud;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input = as_text({data, size});
    net::http::Headers headers;
    for (std::string_view name = "traceparent"; !input.empty(); name = "tracestate") {
        const std::size_t end = std::min(input.find('\n'), input.size());
        headers.add(name, input.substr(0, end));
        input.remove_prefix(std::min(end + 1, input.size()));
    }
    const auto before = net::parse_traceparent(headers.find("traceparent").value_or(""));
    const net::TraceSpan span = net::continue_trace(headers, {});
    const auto after = net::parse_traceparent(headers.find("traceparent").value_or(""));
    std::size_t state = 0;
    for (const std::string_view field : headers.all("tracestate")) {
        state += field.size();
    }
    const bool continued = before && after && after->trace_id == before->trace_id;
    if (after != span.context || (before && !continued) || (!before && state > 0) || state > 512) {
        std::abort();
    }
    return 0;
}
