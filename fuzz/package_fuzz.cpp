#include <decloud/sandbox/internal/package.hpp>

#include <cstdlib>

namespace internal = decloud::sandbox::internal;

/// No zip file may give a path or a size that the limits do not allow.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const internal::PackageLimits limits{.total_bytes = 1U << 20, .entries = 100};
    std::uint64_t total = 0;
    const auto result = internal::read_package({data, size}, limits,
        {.begin = [&](const internal::PackageEntry& entry) -> decloud::Result<bool> {
             if (!internal::is_package_path(entry.path, limits)) {
                 std::abort();
             }
             return true;
         },
            .data = [&](decloud::BytesView bytes) -> decloud::Result<void> {
                total += bytes.size();
                return {};
            },
            .end = []() -> decloud::Result<void> { return {}; }});
    if (result && total > limits.total_bytes) {
        std::abort();
    }
    return 0;
}
