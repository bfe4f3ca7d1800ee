// What callers say about the provider that they want: X-Decloud-Prefer, and whom a payment names.

#include <decloud/base/bytes.hpp>
#include <decloud/gateway/internal/named_provider.hpp>
#include <decloud/gateway/internal/preferences.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace decloud;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::array<std::string_view, 5> kNames{"X-Decloud-Prefer",
        "OpenCloud-Audience", "OpenCloud-Payment", "X-PAYMENT", "PAYMENT-SIGNATURE"};
    std::string_view input = as_text({data, size});
    net::http::Headers headers;
    for (const std::string_view name : kNames) {
        const std::size_t end = std::min(input.find('\n'), input.size());
        if (end > 0) {
            headers.add(name, input.substr(0, end));
        }
        input.remove_prefix(std::min(end + 1, input.size()));
    }
    const auto preferences = gateway::internal::read_preferences(headers);
    if (!preferences && preferences.error().http_status != 400) {
        std::abort();
    }
    const auto named = gateway::internal::named_provider(headers);
    if (named && *named && !gateway::internal::is_bound(headers)) {
        std::abort();
    }
    const auto payer = gateway::internal::named_payer(headers);
    if (payer && (payer->size() > 64 || !gateway::internal::is_bound(headers))) {
        std::abort();
    }
    return 0;
}
