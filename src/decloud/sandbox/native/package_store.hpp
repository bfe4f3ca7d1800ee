#pragma once

#include "../sandbox.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <filesystem>
#include <string>

namespace decloud::sandbox::native {

/// Unpacked packages on disk, each read-only, whole or not there. Single threaded.
class PackageStore {
  public:
    PackageStore(async::Executor executor, const SandboxSettings& settings)
        : executor_(std::move(executor)),
          settings_(settings),
          folder_(settings.cache_dir / "packages") {}

    /// Where a program's package is or would be.
    [[nodiscard]] std::filesystem::path path_of(
        const std::string& program_key, const std::string& entry) const;
    [[nodiscard]] bool contains(const std::string& program_key, const std::string& entry) const;
    /// Unpacks it in a confined process, unless it is there. Errors: the package's
    /// (invalid_input, limit_exceeded); not_found if it is needed and `zip` is empty.
    [[nodiscard]] async::Task<Result<std::filesystem::path>> unpack(
        std::string program_key, std::string entry, Bytes zip);

  private:
    async::Executor executor_;
    const SandboxSettings& settings_;
    std::filesystem::path folder_;
    std::uint64_t last_number_ = 0;
};

}  // namespace decloud::sandbox::native
