#include "instance.hpp"

#include "../internal/pump.hpp"

#include <decloud/base/log.hpp>

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace decloud::sandbox::server {

using internal::UniqueFd;
using std::chrono::steady_clock;

namespace {

/// How long the launcher may be late before it counts as dead.
constexpr std::chrono::seconds kGrace{5};
/// Waits have an end; this one only starts over.
constexpr std::chrono::hours kLong{1};

/// A pipe whose writing end goes to the program; ours does not block.
Result<UniqueFd> open_output(std::vector<UniqueFd>& theirs) {
    TRY(auto pipe, internal::make_pipe());
    TRY_VOID(internal::set_nonblocking(pipe.reader.get(), true));
    theirs.push_back(std::move(pipe.writer));
    return std::move(pipe.reader);
}

}  // namespace

Instance::Instance(
    native::Host& host, std::shared_ptr<const ServerProgram> program, Changed changed)
    : host_(host),
      program_(std::move(program)),
      changed_(std::move(changed)),
      run_(host.executor()),
      way_out_(host.executor(), program_->egress),
      wake_(host.executor()),
      thawed_(host.executor()),
      ended_(host.executor()),
      tasks_(host.executor()) {
    thawed_.set();
    // Calls connect at once, and are taken when the program is ready.
    auto listener = make_listener(host.settings().cache_dir);
    if (listener) {
        listener_ = std::move(*listener);
    } else {
        listening_ = fail(listener.error());
    }
}

async::Task<void> Instance::live() {
    if (const auto started = co_await start(); !started) {
        outcome_ = sandbox_failure(started.error().message());
        // Whoever has connected already is turned away.
        listener_.socket.reset();
    } else {
        tasks_.spawn(watch_run());
        co_await wait_for_end();
        co_await end_it();
        co_await way_out_.stop();
        // Everything that held the pipes is dead: their ends are there.
        co_await tasks_.join();
        finish();
    }
    ended_.set();
    thawed_.set();
    changed_();
}

bool Instance::has_room() const {
    return !retired_ && !stopping_ && !ended_.is_set() && !run_.done.is_set() &&
           busy_ < program_->concurrency;
}

void Instance::enter() {
    ++busy_;
    if (frozen_) {
        wake_.set();
    }
}

void Instance::leave(bool retire) {
    --busy_;
    idle_since_ = steady_clock::now();
    retired_ = retired_ || retire;
    if (retired_ && busy_ == 0) {
        stop();
    }
    wake_.set();
    changed_();
}

void Instance::stop() {
    stopping_ = true;
    wake_.set();
}

async::Task<Result<void>> Instance::thawed() {
    // Before that the launcher is given up, and with it the instance ends.
    const auto waited = co_await thawed_.wait(4 * kGrace);
    if (!waited || (frozen_ && ended_.is_set())) {
        co_return fail(CommonError::unavailable, "the server could not be thawed");
    }
    co_return Result<void>{};
}

Result<UniqueFd> Instance::connect() const { return connect_to(listener_.address); }

async::Task<bool> Instance::ended_within(std::chrono::milliseconds limit) {
    co_return (co_await ended_.wait(limit)).has_value();
}

async::Task<Result<void>> Instance::start() {
    if (!listening_) {
        co_return fail(listening_.error());
    }
    CO_TRY(launcher_, co_await host_.launcher());
    can_freeze_ = launcher_->can_freeze() && host_.settings().server_freeze.count() > 0;
    co_return start_in(*launcher_);
}

Result<void> Instance::start_in(native::LauncherClient& launcher) {
    std::vector<UniqueFd> fds;
    fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fds.front()) {
        return fail(errno_error("/dev/null"));
    }
    TRY(UniqueFd output, open_output(fds));
    TRY(UniqueFd errors, open_output(fds));
    fds.push_back(std::move(listener_.socket));
    if (way_out_.exists()) {
        TRY(UniqueFd channel, way_out_.open());
        fds.push_back(std::move(channel));
    }
    Limits limits = program_->limits;
    limits.wall = std::chrono::milliseconds(0);
    id_ = launcher.next_id();
    launcher.start(run_, id_,
        native::encode_run(id_, program_->start, program_->environment, limits,
            way_out_.exists() ? native::Network::way_out : native::Network::none),
        std::move(fds));
    const auto most = static_cast<std::size_t>(program_->limits.stderr_bytes);
    tasks_.spawn(internal::keep_tail(std::move(output), &output_, most));
    tasks_.spawn(internal::keep_tail(
        std::move(errors), &errors_, most, [this](std::string_view text) { tell_errors(text); }));
    return {};
}

void Instance::tell_errors(std::string_view text) const {
    if (const auto& heard = host_.settings().server_errors) {
        heard(program_->deployment, text);
    }
}

async::Task<void> Instance::watch_run() {
    while (!co_await run_.done.wait(kLong)) {
    }
    wake_.set();
    changed_();
}

steady_clock::duration Instance::until_idle_for(std::chrono::milliseconds limit) const {
    if (busy_ > 0) {
        return kLong;
    }
    return std::max<steady_clock::duration>(
        idle_since_ + limit - steady_clock::now(), steady_clock::duration::zero());
}

/// Until it has ended, is to end, or has had no call for long enough.
async::Task<void> Instance::wait_for_end() {
    constexpr auto kNow = steady_clock::duration::zero();
    while (!run_.done.is_set() && !stopping_) {
        auto left = until_idle_for(program_->idle);
        if (left == kNow) {
            stopping_ = true;
            co_return;
        }
        if (frozen_ && busy_ > 0) {
            co_await thaw();
            continue;
        }
        if (can_freeze_ && !frozen_) {
            const auto awake = until_idle_for(host_.settings().server_freeze);
            if (awake == kNow) {
                co_await freeze();
                continue;
            }
            left = std::min(left, awake);
        }
        wake_.reset();
        static_cast<void>(co_await wake_.wait(left));
    }
}

async::Task<void> Instance::freeze() {
    frozen_ = true;
    thawed_.reset();
    changed_();
    run_.freezer_answered.reset();
    launcher_->freeze_run(id_);
    const auto answered = co_await run_.freezer_answered.wait(kGrace);
    if (answered && !run_.frozen) {
        // It goes on, and is not tried again.
        can_freeze_ = false;
        frozen_ = false;
        thawed_.set();
        changed_();
    }
}

async::Task<void> Instance::thaw() {
    run_.freezer_answered.reset();
    launcher_->thaw_run(id_);
    if (!co_await run_.freezer_answered.wait(kGrace)) {
        // The launcher does not answer.
        stopping_ = true;
        co_return;
    }
    if (!run_.done.is_set()) {
        frozen_ = false;
        thawed_.set();
        changed_();
    }
}

async::Task<void> Instance::end_it() {
    if (run_.done.is_set()) {
        co_return;
    }
    launcher_->terminate_run(id_);
    if (co_await run_.done.wait(host_.settings().server_end)) {
        co_return;
    }
    launcher_->kill_run(id_);
    if (co_await run_.done.wait(kGrace)) {
        co_return;
    }
    log::error("sandbox", "the launcher does not answer: killed");
    launcher_->kill();
    // Its end ends the run.
    while (!co_await run_.done.wait(kLong)) {
    }
}

void Instance::finish() {
    if (!run_.result) {
        outcome_ = sandbox_failure("the launcher died");
        return;
    }
    outcome_.end = run_.result->end;
    outcome_.exit_code = run_.result->exit_code;
    outcome_.detail = run_.result->detail;
    outcome_.cpu = std::chrono::microseconds(
        std::min<std::uint64_t>(run_.result->cpu_us, std::uint64_t{1} << 50));
    outcome_.peak_bytes = run_.result->peak_bytes;
    outcome_.stderr_tail = std::move(errors_);
}

}  // namespace decloud::sandbox::server
