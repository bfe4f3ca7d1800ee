#include "service_loop.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/log.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdlib>
#include <exception>
#include <optional>

namespace decloud::cli::internal {

namespace {

constexpr auto kForever = std::chrono::hours(24 * 365);

async::Task<Outcome> serve(std::function<async::Task<Result<Service>>(async::Executor)> start,
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    async::Event& interrupted,
    async::Executor executor) {
    CO_TRY(const Service service, co_await start(executor));
    async::TaskGroup running(executor);
    running.spawn(service.run());
    boost::asio::signal_set hang_up(executor, SIGHUP);
    std::function<void(const boost::system::error_code&, int)> on_hang_up =
        [&](const boost::system::error_code& error, int) {
            if (!error) {
                if (service.reload) {
                    service.reload();
                }
                hang_up.async_wait(on_hang_up);
            }
        };
    hang_up.async_wait(on_hang_up);
    (void)co_await interrupted.wait(kForever);
    hang_up.cancel();
    co_await service.stop();
    co_await running.join();
    co_return ExitCode::ok;
}

}  // namespace

Outcome run_service(std::function<async::Task<Result<Service>>(async::Executor)> start) {
    log::initialise(log::Level::info, {});
    boost::asio::io_context io(1);
    async::Event interrupted(io.get_executor());
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    std::function<void(const boost::system::error_code&, int)> on_signal =
        [&](const boost::system::error_code& error, int) {
            if (error) {
                return;
            }
            if (interrupted.is_set()) {
                std::_Exit(static_cast<int>(ExitCode::cancelled));
            }
            interrupted.set();
            signals.async_wait(on_signal);
        };
    signals.async_wait(on_signal);
    std::optional<Outcome> outcome;
    std::exception_ptr problem;
    boost::asio::co_spawn(io, serve(std::move(start), interrupted, io.get_executor()),
        [&](std::exception_ptr error, Outcome result) {
            problem = error;
            outcome = std::move(result);
            signals.cancel();
        });
    io.run();
    if (problem) {
        std::rethrow_exception(problem);
    }
    return outcome ? std::move(*outcome)
                   : Outcome(fail(CommonError::internal, "the work did not end"));
}

}  // namespace decloud::cli::internal
