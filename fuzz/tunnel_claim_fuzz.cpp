#include <decloud/identity/tunnel_claim.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace decloud;

// A claim that is read reads again as it is written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto claim =
        identity::parse_tunnel_claim(std::string_view(reinterpret_cast<const char*>(data), size));
    if (claim) {
        const auto again = identity::parse_tunnel_claim(identity::format_tunnel_claim(*claim));
        if (!again || again->name != claim->name || again->epoch != claim->epoch ||
            again->delegation != claim->delegation || again->signature != claim->signature) {
            std::abort();
        }
    }
    return 0;
}
