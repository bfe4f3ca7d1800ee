#include "host.hpp"

#include "../internal/process.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

namespace decloud::sandbox::native {

namespace {

async::Task<void> stop_launcher(std::shared_ptr<LauncherClient> launcher) {
    co_await launcher->stop();
}

}  // namespace

Host::Host(
    async::Executor executor, const SandboxSettings& settings, boost::asio::thread_pool& pool)
    : executor_(executor),
      settings_(settings),
      packages_(executor, settings, pool),
      retired_(executor) {}

async::Task<Result<std::shared_ptr<LauncherClient>>> Host::launcher() {
    if (stopped_) {
        co_return fail(CommonError::cancelled, "the sandbox is stopping");
    }
    if (launcher_ && launcher_->ended()) {
        retired_.spawn(stop_launcher(std::exchange(launcher_, nullptr)));
    }
    if (!launcher_) {
        CO_TRY(auto process,
            internal::WorkerProcess::start(settings_.worker_executable,
                {"launch", fmt::format("{}", fmt::join(settings_.accept_missing, ",")),
                    std::to_string(settings_.native_spares)}));
        launcher_ = std::make_shared<LauncherClient>(executor_, std::move(process));
    }
    const auto launcher = launcher_;
    CO_TRY_VOID(co_await launcher->ready());
    co_return launcher;
}

async::Task<void> Host::stop() {
    stopped_ = true;
    if (const auto launcher = std::exchange(launcher_, nullptr)) {
        co_await launcher->stop();
    }
    co_await retired_.join();
}

}  // namespace decloud::sandbox::native
