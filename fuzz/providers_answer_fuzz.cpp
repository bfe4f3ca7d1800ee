#include <decloud/base/bytes.hpp>
#include <decloud/ipfs/multiaddr.hpp>
#include <decloud/ipfs/routers.hpp>

#include <algorithm>
#include <cstdlib>

using namespace decloud;

/// A router's answer, and the same bytes as an address.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    const ipfs::RouterLimits limits{.max_bytes = 4096, .max_records = 4, .max_addresses = 4};
    const auto is_web = [](const net::Url& url) {
        return url.scheme != net::Scheme::unix_socket && url.target == "/" && !url.host.empty();
    };
    const auto gateways = ipfs::parse_providers(text, limits);
    if (gateways && (gateways->size() > 16 || !std::ranges::all_of(*gateways, is_web))) {
        std::abort();
    }
    const auto url = ipfs::url_of_address(text);
    if (url && !is_web(*url)) {
        std::abort();
    }
    return 0;
}
