#include <decloud/net/http/parser.hpp>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace decloud::net::http {
namespace {

/// What the parser says of the bytes, cut into pieces of `step`.
std::string transcript(BytesView bytes, std::size_t step, ConnectRequests connect) {
    Limits limits;
    limits.max_target_bytes = 100;
    limits.max_header_bytes = 400;
    limits.max_headers = 8;
    limits.max_chunk_extension_bytes = 20;
    limits.max_trailer_bytes = 60;
    RequestParser parser(limits, connect);
    std::string log;
    while (!bytes.empty()) {
        BytesView piece = bytes.first(std::min(step, bytes.size()));
        bytes = bytes.subspan(piece.size());
        for (;;) {
            const ParseStep result = parser.next(piece);
            piece = piece.subspan(result.consumed);
            if (result.event == ParseEvent::failed) {
                return log.append("!").append(parser.error().reason);
            }
            if (result.event == ParseEvent::head) {
                log.append(parser.head().method).append(parser.head().target);
                log.append(parser.head().path()).append("?").append(parser.head().query());
                for (const Headers::Field field : parser.head().headers) {
                    if (!is_valid_field(field.name, field.value)) {
                        std::abort();
                    }
                    log.append(field.name).append(":").append(field.value);
                }
            }
            log.append(as_text(result.body));
            if (result.event == ParseEvent::end) {
                log.append("#").append(parser.keep_alive() ? "k" : "c");
                parser.reset();
            }
            if (result.event == ParseEvent::need_more ||
                (result.event == ParseEvent::end && piece.empty())) {
                break;
            }
        }
    }
    return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView bytes(data, size);
    for (const auto connect : {ConnectRequests::refused, ConnectRequests::parsed}) {
        const std::string whole = transcript(bytes, size + 1, connect);
        for (const std::size_t step : {1, 2, 3, 7}) {
            if (transcript(bytes, step, connect) != whole) {
                std::abort();
            }
        }
    }
    return 0;
}

}  // namespace decloud::net::http
