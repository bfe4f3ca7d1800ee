#include <decloud/base/bytes.hpp>
#include <decloud/net/forwarding.hpp>
#include <decloud/net/host_rules.hpp>
#include <decloud/net/outbound_policy.hpp>
#include <decloud/net/url.hpp>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using decloud::as_text;
    using decloud::BytesView;
    const std::string_view text = as_text(BytesView(data, size));
    if (const auto url = decloud::net::parse_url(text)) {
        // What was understood reads the same when it is written down.
        if (decloud::net::parse_url(url->to_string()).value() != *url) {
            std::abort();
        }
    }
    if (const auto endpoint = decloud::net::parse_endpoint(text)) {
        if (!decloud::net::parse_endpoint(endpoint->to_string())) {
            std::abort();
        }
    }
    if (const auto address = decloud::net::parse_ip_address(text)) {
        if (decloud::net::parse_ip_address(address->to_string()).value() != *address) {
            std::abort();
        }
        (void)decloud::net::OutboundPolicy{}.check(*address, 80);
    }
    if (const auto rule = decloud::net::parse_host_rule(text)) {
        // It reads the same when it is written down, and goes no further than itself.
        if (decloud::net::parse_host_rule(rule->to_string()).value() != *rule ||
            decloud::net::first_beyond({*rule}, {*rule}) ||
            rule->allows("127.0.0.1", rule->port.value_or(80))) {
            std::abort();
        }
    }
    (void)decloud::net::is_valid_authority(text);
    (void)decloud::net::forwarded_client(text);
    return 0;
}
