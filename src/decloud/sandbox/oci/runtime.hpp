#pragma once

#include "../native/host.hpp"

#include <memory>

namespace decloud::sandbox::oci {

/// Programs in images: an OCI image layout or what `docker save` writes, as a tar file in the
/// package. They run as native programs do, or as servers if the manifest says so.
[[nodiscard]] std::unique_ptr<Runtime> make_oci_runtime(std::shared_ptr<native::Host> host);

}  // namespace decloud::sandbox::oci
