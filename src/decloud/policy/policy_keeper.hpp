#pragma once

#include "policy.hpp"

#include <decloud/async/task.hpp>

#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace decloud::policy {

/// The policy of a file that may change at any moment: what was read last and is valid. Single
/// threaded.
class PolicyKeeper {
  public:
    /// Reads `file`. If there is none everything is allowed, until there is one. Errors: as
    /// `Policy::load`.
    [[nodiscard]] static Result<std::unique_ptr<PolicyKeeper>> open(std::filesystem::path file);

    /// Never null. Whoever keeps it decides by one and the same policy.
    [[nodiscard]] std::shared_ptr<const Policy> current() const { return current_; }

    /// Looks whether the file, or one that it names, has changed, and reads it again on `pool`.
    /// What is broken is logged once, and what was in force stays so; so it does when the file is
    /// gone.
    [[nodiscard]] async::Task<void> refresh(boost::asio::thread_pool& pool);
    /// Refreshes every second until it is cancelled. `pool` outlives it.
    [[nodiscard]] async::Task<void> run(boost::asio::thread_pool& pool);

  private:
    /// What tells one content of a file from another, without reading it.
    struct Stamp {
        std::filesystem::path file;
        std::int64_t modified = 0;
        std::int64_t changed = 0;
        std::uint64_t inode = 0;
        std::int64_t size = -1;
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    [[nodiscard]] static std::vector<Stamp> stamps(const std::vector<std::filesystem::path>& files);
    struct Read {
        std::vector<Stamp> before;
        std::vector<std::filesystem::path> files;
        Result<Policy> policy;
    };
    [[nodiscard]] static Read read(const std::filesystem::path& file);

    explicit PolicyKeeper(std::filesystem::path file);

    std::filesystem::path file_;
    std::shared_ptr<const Policy> current_;
    std::vector<std::filesystem::path> files_;
    std::vector<Stamp> seen_;
};

}  // namespace decloud::policy
