#include "call_output.hpp"

#include "function_response.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/net/websocket/handshake.hpp>

#include <chrono>
#include <utility>

namespace decloud::services {

namespace {

/// Output up to this size of a run that then ends is sent in one piece, with its length.
constexpr std::size_t kWholeAnswerBytes = 64 * 1024;
constexpr int kSwitchingProtocols = 101;
constexpr auto kSlowAfter = std::chrono::milliseconds(10);
constexpr auto kLockLimit = std::chrono::minutes(5);

async::Task<void> start_streaming(std::shared_ptr<CallOutput> output) {
    // An error is seen by the next write, or by finish.
    (void)co_await output->stream();
}

}  // namespace

sandbox::CgiParser::Mode parser_mode(protocol::OutputMode mode) {
    switch (mode) {
        case protocol::OutputMode::automatic:
            return sandbox::CgiParser::Mode::automatic;
        case protocol::OutputMode::cgi:
            return sandbox::CgiParser::Mode::cgi;
        case protocol::OutputMode::raw:
            return sandbox::CgiParser::Mode::raw;
    }
    return sandbox::CgiParser::Mode::automatic;
}

SlowAnswers::SlowAnswers(async::Executor executor) : group_(std::move(executor)) {}

void SlowAnswers::watch(std::weak_ptr<CallOutput> output) {
    watched_.push_back(std::move(output));
    if (!running_) {
        running_ = true;
        group_.spawn(run());
    }
}

async::Task<void> SlowAnswers::run() {
    while (!watched_.empty()) {
        const auto waiting = std::exchange(watched_, {});
        co_await async::delay(kSlowAfter);
        for (const auto& weak : waiting) {
            if (auto output = weak.lock()) {
                group_.spawn(start_streaming(std::move(output)));
            }
        }
    }
    running_ = false;
}

async::Task<void> SlowAnswers::stop() {
    group_.cancel();
    co_await group_.join();
}

CallOutput::CallOutput(protocol::Responder& responder,
    SlowAnswers& slow,
    sandbox::CgiParser::Mode mode,
    std::string prefix,
    async::Executor executor)
    : responder_(responder),
      slow_(slow),
      prefix_(std::move(prefix)),
      executor_(std::move(executor)),
      parser_(mode) {}

bool CallOutput::take_whole(BytesView output, const sandbox::Outcome& outcome) {
    if (!outcome.succeeded() || output.size() > kWholeAnswerBytes) {
        return false;
    }
    received_ = output.size();
    parser_.feed(output);
    return true;
}

async::Task<Result<void>> CallOutput::write(BytesView data) {
    const bool first = received_ == 0;
    received_ += data.size();
    parser_.feed(data);
    const sandbox::CgiHead* const head = parser_.head();
    const bool switches = head != nullptr && head->status == kSwitchingProtocols;
    if (!streaming_ && !switches && received_ <= kWholeAnswerBytes) {
        if (first) {
            slow_.watch(weak_from_this());
        }
        co_return Result<void>{};
    }
    co_return co_await stream();
}

async::Task<Result<void>> CallOutput::stream() {
    if (closed_) {
        co_return Result<void>{};
    }
    streaming_ = true;
    co_await lock();
    Result<void> status = closed_ ? Result<void>{} : co_await send_pending();
    unlock();
    co_return status;
}

async::Task<Result<void>> CallOutput::send_pending() {
    if (parser_.head() == nullptr || parser_.malformed()) {
        co_return Result<void>{};
    }
    if (!std::exchange(head_sent_, true)) {
        auto head = function_response_head(*parser_.head(), prefix_);
        if (head.status == kSwitchingProtocols) {
            head.headers.set("Upgrade", net::websocket::kProtocol);
            CO_TRY_VOID(co_await responder_.upgrade(std::move(head)));
        } else {
            CO_TRY_VOID(co_await responder_.start(std::move(head)));
        }
    }
    const Bytes body = parser_.take_body();
    if (!body.empty()) {
        CO_TRY_VOID(co_await responder_.write(body));
    }
    co_return Result<void>{};
}

async::Task<Result<void>> CallOutput::finish() {
    parser_.finish();
    if (parser_.malformed() || parser_.head() == nullptr) {
        // A slow answer may be on its way to the responder right now.
        co_await close();
        co_return fail(CommonError::invalid_input, "its output is not a CGI answer");
    }
    if (streaming_) {
        Result<void> status = co_await stream();
        co_await close();
        co_return status;
    }
    closed_ = true;
    co_return responder_.send(
        function_response_head(*parser_.head(), prefix_), parser_.take_body());
}

async::Task<void> CallOutput::close() {
    closed_ = true;
    co_await lock();
    unlock();
}

async::Task<void> CallOutput::lock() {
    while (locked_) {
        if (!unlocked_) {
            unlocked_.emplace(executor_);
        }
        (void)co_await unlocked_->wait(kLockLimit);
        if (!locked_) {
            break;
        }
        unlocked_->reset();
    }
    locked_ = true;
}

void CallOutput::unlock() {
    locked_ = false;
    if (unlocked_) {
        unlocked_->set();
    }
}

}  // namespace decloud::services
