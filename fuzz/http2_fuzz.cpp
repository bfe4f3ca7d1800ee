#include <decloud/net/http/message.hpp>
#include <decloud/net/internal/http2_head.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace decloud;
namespace http = net::http;

// Fields, `name=value` and a NUL behind each: what becomes a request can be sent over HTTP/1.1.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    http::internal::Http2Fields fields;
    const http::Limits limits;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\0'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t mark = std::min(line.find('=', 1), line.size());
        (void)http::internal::add_field(
            fields, line.substr(0, mark), line.substr(std::min(mark + 1, line.size())), limits);
    }
    const auto request = http::internal::make_request(fields, size % 2 == 0, limits);
    if (!request) {
        return 0;
    }
    if (!http::is_token(request->head.method) || request->head.headers.count("Host") > 1 ||
        request->head.headers.contains("Transfer-Encoding") ||
        request->head.target.find_first_of(" \r\n") != std::string::npos) {
        std::abort();
    }
    for (const auto field : request->head.headers) {
        if (!http::is_valid_field(field.name, field.value)) {
            std::abort();
        }
    }
    return 0;
}
