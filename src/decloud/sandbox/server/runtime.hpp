#pragma once

#include "../native/host.hpp"

#include <memory>
#include <string_view>

namespace decloud::sandbox::server {

/// Programs that speak HTTP on the listening socket they get as descriptor 3. They stay warm
/// between calls; an instance serves one deployment only. They are counted under `name`.
[[nodiscard]] std::unique_ptr<Runtime> make_server_runtime(
    std::shared_ptr<native::Host> host, std::string_view name);

}  // namespace decloud::sandbox::server
