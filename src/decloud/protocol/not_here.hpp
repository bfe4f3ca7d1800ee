#pragma once

#include <string_view>

namespace decloud::protocol {

/// In a refusal (403): it is this provider that may not run the deployment, so that another one
/// may. Refusals of 404 and 410 say so by themselves. A program's answers cannot carry it as a
/// refusal, as their `OpenCloud-Status` is the node's.
inline constexpr std::string_view kNotHereHeader = "X-Decloud-Not-Here";

}  // namespace decloud::protocol
