#include <decloud/client/config.hpp>
#include <decloud/client/http.hpp>
#include <decloud/client/project.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace decloud {

// Project files come with what somebody else wrote; refusals come from other machines.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView bytes(data, size);
    const std::string_view text = as_text(bytes);
    if (const auto project = client::parse_project(text, "p")) {
        for (const auto& part : std::filesystem::path(project->manifest.entry)) {
            if (part == "..") {
                std::abort();
            }
        }
    }
    if (const auto config = client::parse_config(text, "c")) {
        if (!client::parse_config(client::format_config(*config), "c")) {
            std::abort();
        }
    }
    if (client::remote_error(402, "application/problem+json", bytes).detail().empty()) {
        std::abort();
    }
    return 0;
}

}  // namespace decloud
