#include <decloud/base/bytes.hpp>
#include <decloud/ipfs/routing.hpp>

#include <cstdlib>
#include <string>

using namespace decloud;

/// The first line is the target below `/routing/v1/`, the second Accept.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    const std::size_t end = std::min(text.find('\n'), text.size());
    net::http::RequestHead head{
        .method = "GET", .target = "/routing/v1/" + std::string(text.substr(0, end))};
    head.headers.add("Accept", text.substr(std::min(end + 1, text.size())));
    const auto request = ipfs::parse_routing_request(head);
    if (!request) {
        return 0;
    }
    const auto left = ipfs::filter_peer(
        {.id = "12D3KooW", .addresses = {"/ip4/127.0.0.1/tcp/80/http"}}, *request);
    if (left && left->addresses.size() != 1) {
        std::abort();
    }
    return 0;
}
