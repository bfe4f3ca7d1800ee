#include <decloud/net/forwarding.hpp>
#include <decloud/net/outbound_policy.hpp>
#include <decloud/net/url.hpp>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace decloud;
    const std::string_view text = as_text(BytesView(data, size));
    if (const auto url = net::parse_url(text)) {
        // What was understood reads the same when it is written down.
        if (net::parse_url(url->to_string()) != url) {
            std::abort();
        }
    }
    if (const auto endpoint = net::parse_endpoint(text)) {
        if (!net::parse_endpoint(endpoint->to_string())) {
            std::abort();
        }
    }
    if (const auto address = net::parse_ip_address(text)) {
        if (net::parse_ip_address(address->to_string()) != address) {
            std::abort();
        }
        (void)net::OutboundPolicy{}.check(*address, 80);
    }
    (void)net::is_valid_authority(text);
    (void)net::forwarded_client(text);
    return 0;
}
