#include "worker_pool.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace decloud::sandbox::wasm {

using std::chrono::steady_clock;

std::shared_ptr<WasmWorker> WorkerPool::find(const std::string& isolation_key) {
    const auto place = workers_.find(isolation_key);
    if (place == workers_.end() || !place->second.ready || place->second.worker->ended()) {
        return nullptr;
    }
    return place->second.worker;
}

async::Task<void> WorkerPool::stop_worker(std::shared_ptr<WasmWorker> worker) {
    co_await worker->stop();
}

void WorkerPool::retire(std::shared_ptr<WasmWorker> worker) {
    retired_.spawn(stop_worker(std::move(worker)));
}

bool WorkerPool::make_room() {
    std::erase_if(workers_, [this](const auto& entry) {
        const bool ended = entry.second.worker->ended();
        if (ended) {
            retire(entry.second.worker);
        }
        return ended;
    });
    if (workers_.size() < settings_.wasm_workers) {
        return true;
    }
    auto oldest = workers_.end();
    for (auto place = workers_.begin(); place != workers_.end(); ++place) {
        const WasmWorker& worker = *place->second.worker;
        if (place->second.ready && worker.idle() &&
            (oldest == workers_.end() || worker.last_used() < oldest->second.worker->last_used())) {
            oldest = place;
        }
    }
    if (oldest == workers_.end()) {
        return false;
    }
    retire(oldest->second.worker);
    workers_.erase(oldest);
    return true;
}

async::Task<Result<std::shared_ptr<WasmWorker>>> WorkerPool::acquire(std::string isolation_key) {
    if (stopped_) {
        co_return fail(CommonError::cancelled, "the sandbox is stopping");
    }
    std::shared_ptr<WasmWorker> worker;
    const auto place = workers_.find(isolation_key);
    if (place != workers_.end() && !place->second.worker->ended()) {
        worker = place->second.worker;
    } else {
        if (!make_room()) {
            co_return fail(CommonError::unavailable, "all WASM workers are busy");
        }
        CO_TRY(
            auto process, internal::WorkerProcess::start(settings_.worker_executable,
                              {"wasm", fmt::format("{}", fmt::join(settings_.accept_missing, ",")),
                                  std::to_string(settings_.wasm_runs_per_worker)}));
        worker = std::make_shared<WasmWorker>(executor_, settings_, std::move(process));
        workers_[isolation_key] = Place{.worker = worker};
        if (!reaping_) {
            reaping_ = true;
            reaper_.spawn(reap_idle());
        }
    }
    const WasmWorker::Use use(worker);
    CO_TRY_VOID(co_await worker->ready());
    const auto now = workers_.find(isolation_key);
    if (now != workers_.end() && now->second.worker == worker) {
        now->second.ready = true;
    }
    co_return worker;
}

async::Task<void> WorkerPool::reap_idle() {
    try {
        while (!workers_.empty()) {
            co_await async::delay(std::min<steady_clock::duration>(
                settings_.worker_idle / 4 + std::chrono::milliseconds(1), std::chrono::seconds(5)));
            const auto now = steady_clock::now();
            std::erase_if(workers_, [&](const auto& entry) {
                const auto& worker = entry.second.worker;
                const bool over =
                    worker->ended() || (worker->idle() && entry.second.ready &&
                                           now - worker->last_used() >= settings_.worker_idle);
                if (over) {
                    retire(worker);
                }
                return over;
            });
        }
    } catch (const boost::system::system_error& stopped) {
        log::debug("sandbox", "reaping idle workers ends: {}", stopped.code().message());
    }
    reaping_ = false;
}

async::Task<void> WorkerPool::stop() {
    stopped_ = true;
    for (auto& [key, place] : std::exchange(workers_, {})) {
        co_await place.worker->stop();
    }
    reaper_.cancel();
    co_await reaper_.join();
    co_await retired_.join();
}

}  // namespace decloud::sandbox::wasm
