// Host and target of strangers: every name has one way to be written.

#include <decloud/base/bytes.hpp>
#include <decloud/gateway/routing.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

namespace decloud {

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = as_text({data, size});
    const std::size_t cut = std::min(input.find('\n'), input.size());
    net::http::RequestHead request;
    request.method = "GET";
    request.headers.add("Host", input.substr(0, cut));
    request.target = std::string(input.substr(std::min(cut + 1, input.size())));
    const auto route = gateway::find_route(request, "localhost");
    if (!route) {
        if (route.error().http_status != 400 && route.error().http_status != 404) {
            std::abort();
        }
        return 0;
    }
    if (const auto* provider = std::get_if<gateway::ProviderRoute>(&*route)) {
        net::http::RequestHead canonical;
        canonical.headers.add("Host", provider->name.gateway_label() + ".localhost");
        const auto again = gateway::find_route(canonical, "localhost");
        if (!again || std::get<gateway::ProviderRoute>(*again).name != provider->name) {
            std::abort();
        }
        if (!provider->shared_prefix.empty() &&
            !gateway::origin_form(request.target).starts_with(provider->shared_prefix)) {
            std::abort();
        }
    }
    if (const auto* cid = std::get_if<gateway::CidRoute>(&*route)) {
        if (!gateway::origin_form(request.target).starts_with(cid->prefix)) {
            std::abort();
        }
    }
    if (const auto* alias = std::get_if<gateway::AliasRoute>(&*route)) {
        if (!gateway::is_alias(alias->alias)) {
            std::abort();
        }
    }
    return 0;
}

}  // namespace decloud
