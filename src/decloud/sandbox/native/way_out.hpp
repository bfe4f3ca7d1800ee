#pragma once

#include "../egress.hpp"
#include "../internal/fd.hpp"

#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>

#include <memory>

namespace decloud::sandbox::native {

/// In a sandbox that may have a way out, before it gives up its rights: brings its loopback up,
/// and sends a listening socket there over `channel`. Errors: from errno.
[[nodiscard]] Result<void> send_proxy_listener(int channel);

/// `environment` with the variables that lead programs to the proxy, where it does not have them.
[[nodiscard]] Environment with_proxy(Environment environment);

/// The way out of one run, on the node's side. Single threaded.
class WayOut {
  public:
    /// `egress` may be null: the run then has none.
    WayOut(const async::Executor& executor, std::shared_ptr<Egress> egress);

    [[nodiscard]] bool exists() const { return egress_ != nullptr; }
    /// What the sandbox sends its listener over. The proxy begins when that has come. Errors: from
    /// errno.
    [[nodiscard]] Result<internal::UniqueFd> open();
    /// What has passed since this was last asked; nothing without a way out.
    [[nodiscard]] std::optional<EgressUse> take_use();
    /// Ends the proxy; before destruction.
    [[nodiscard]] async::Task<void> stop();

  private:
    [[nodiscard]] async::Task<void> serve(internal::UniqueFd channel);

    std::shared_ptr<Egress> egress_;
    std::unique_ptr<EgressProxy> proxy_;
    EgressUse taken_;
    async::TaskGroup tasks_;
};

}  // namespace decloud::sandbox::native
