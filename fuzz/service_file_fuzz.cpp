#include <decloud/services/declared/service_file.hpp>

#include <cstdint>
#include <string_view>

/// A `service.toml` as somebody may hand it to an operator.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)decloud::services::parse_service_file(text, "service.toml", "alice.decloud");
    (void)decloud::services::parse_service_draft(text, "service.toml", "alice.decloud");
    return 0;
}
