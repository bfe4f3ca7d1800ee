#pragma once

#include "../sandbox.hpp"
#include "launcher_client.hpp"
#include "package_store.hpp"

#include <decloud/async/task_group.hpp>

#include <memory>

namespace decloud::sandbox::native {

/// What the runtimes of native programs share: the packages on disk and the one launcher, which is
/// started when it is needed. Single threaded.
class Host {
  public:
    /// `settings` and `pool` outlive it.
    Host(async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool);

    [[nodiscard]] const async::Executor& executor() const { return executor_; }
    [[nodiscard]] const SandboxSettings& settings() const { return settings_; }
    [[nodiscard]] PackageStore& packages() { return packages_; }
    /// A launcher that is ready. Errors: cancelled after `stop`; unavailable, with the layers that
    /// are missing.
    [[nodiscard]] async::Task<Result<std::shared_ptr<LauncherClient>>> launcher();
    /// Ends the launcher and every run.
    [[nodiscard]] async::Task<void> stop();

  private:
    async::Executor executor_;
    const SandboxSettings& settings_;
    PackageStore packages_;
    std::shared_ptr<LauncherClient> launcher_;
    bool stopped_ = false;
    async::TaskGroup retired_;
};

}  // namespace decloud::sandbox::native
