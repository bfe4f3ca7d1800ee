#include <decloud/identity/alias_binding.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace decloud;

// A binding that is read reads again as it is written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto binding =
        identity::parse_alias_binding(std::string_view(reinterpret_cast<const char*>(data), size));
    if (binding) {
        const auto again =
            identity::parse_alias_binding(json::to_text(identity::to_json(*binding)));
        if (!again || *again != *binding) {
            std::abort();
        }
    }
    return 0;
}
