// What strangers write on chain about a provider: it is refused by name, or it is a base URL and a
// key.

#include <decloud/base/bytes.hpp>
#include <decloud/registry/provider.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace decloud {

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const identity::ProviderName name = identity::ProviderName::parse("alice").value();
    const std::string_view input = as_text({data, size});
    const std::size_t cut = std::min(input.find('\n'), input.size());
    chain::ProviderRecord record;
    record.address = Address{{1}};
    record.url = std::string(input.substr(0, cut));
    record.rsa_jwk = std::string(input.substr(std::min(cut + 1, input.size())));
    const auto provider = registry::parse_provider(name, record);
    if (provider) {
        const auto again = net::parse_url(provider->url.to_string());
        if (!again || *again != provider->url || provider->url.target != "/") {
            std::abort();
        }
    } else if (provider.error().detail().find(name.full()) == std::string::npos) {
        std::abort();
    }
    return 0;
}

}  // namespace decloud
