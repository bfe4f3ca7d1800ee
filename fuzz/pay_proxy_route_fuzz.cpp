#include <decloud/base/bytes.hpp>
#include <decloud/client/pay_proxy_route.hpp>
#include <decloud/net/http/parser.hpp>

#include <cstdint>
#include <cstdlib>

// Requests as any program on the machine sends them to a pay-proxy. Who does not bring the token
// gets nothing, and the token is in no header that goes on.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace decloud;
    net::http::RequestParser parser{net::http::Limits{}};
    if (parser.next(BytesView(data, size)).event != net::http::ParseEvent::head) {
        return 0;
    }
    const client::ProxyDoor door{.token = "00112233445566778899aabbccddeeff",
        .authorities = {"127.0.0.1:8403", "localhost:8403"}};
    const net::http::RequestHead& head = parser.head();
    if (const auto target = client::find_proxy_target(head, door)) {
        const bool in_target = head.target.find(door.token) != std::string::npos;
        if (!in_target && !head.headers.contains("Proxy-Authorization")) {
            std::abort();
        }
        net::http::Headers headers = head.headers;
        client::strip_for_server(headers, door, *target);
        for (const auto field : headers) {
            if (field.value.find(door.token) != std::string_view::npos) {
                std::abort();
            }
        }
        net::Url from;
        from.host = "shop";
        client::fit_answer(headers, *target, from);
    }
    (void)client::find_proxy_target(head, {});
    return 0;
}
