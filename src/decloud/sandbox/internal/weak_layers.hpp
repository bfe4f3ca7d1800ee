#pragma once

#include "confine.hpp"

#include <string>
#include <string_view>

/// What leaves layers out in the one program that the tests have for it,
/// `decloud_sandbox_weak_worker`: so that they see what each layer is for. Everywhere else nothing
/// can be left out.
namespace decloud::sandbox::internal {

#ifdef DECLOUD_TEST_WEAK_LAYERS

inline AcceptedLayers layers_left_out;

/// Leaves out the layers NAME that are there as "off:NAME".
inline void leave_out(const AcceptedLayers& accepted) { layers_left_out = accepted; }
/// True if the layer is left out.
[[nodiscard]] inline bool is_left_out(std::string_view layer) {
    return layers_left_out.contains("off:" + std::string(layer));
}

#else

inline void leave_out(const AcceptedLayers& /*accepted*/) {}
[[nodiscard]] constexpr bool is_left_out(std::string_view /*layer*/) { return false; }

#endif

}  // namespace decloud::sandbox::internal
