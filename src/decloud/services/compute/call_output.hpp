#pragma once

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/protocol/call.hpp>
#include <decloud/protocol/deployment.hpp>
#include <decloud/sandbox/cgi.hpp>
#include <decloud/sandbox/types.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace decloud::services {

class CallOutput;

/// Starts the answers of programs that have said something and go on running: once every few
/// milliseconds, for all of them together, so that a short call costs no timer of its own. Single
/// threaded.
class SlowAnswers {
  public:
    /// Runs on the executor of the calls that it watches.
    explicit SlowAnswers(async::Executor executor);
    /// Streams `output` some milliseconds from now, unless it is gone or finished by then.
    void watch(std::weak_ptr<CallOutput> output);
    /// Ends what is still sending; before destruction.
    [[nodiscard]] async::Task<void> stop();

  private:
    [[nodiscard]] async::Task<void> run();

    async::TaskGroup group_;
    std::vector<std::weak_ptr<CallOutput>> watched_;
    bool running_ = false;
};

/// How the stdout of a program with such a manifest is read.
[[nodiscard]] sandbox::CgiParser::Mode parser_mode(protocol::OutputMode mode);

/// Turns stdout into an answer: the whole output of a short run in one piece, anything else as it
/// comes. Single threaded; `finish` or `close` before the responder ends.
class CallOutput final : public sandbox::ResponseSink,
                         public std::enable_shared_from_this<CallOutput> {
  public:
    /// `prefix` is the call's SCRIPT_NAME: the path of cookies. Responder and `slow` outlive this.
    /// With `Mode::upgrade` a program that says 101 has the connection's bytes from then on.
    CallOutput(protocol::Responder& responder,
        SlowAnswers& slow,
        sandbox::CgiParser::Mode mode,
        std::string prefix,
        async::Executor executor);

    [[nodiscard]] bool take_whole(BytesView output, const sandbox::Outcome& outcome) override;
    [[nodiscard]] async::Task<Result<void>> write(BytesView data) override;
    /// Sends what has come so far, and from now on everything at once.
    [[nodiscard]] async::Task<Result<void>> stream();
    /// The program has ended well: the rest goes out. Error: invalid_input if its output is no
    /// answer.
    [[nodiscard]] async::Task<Result<void>> finish();
    /// Waits for what is being sent; nothing more is.
    [[nodiscard]] async::Task<void> close();

    /// Bytes of stdout so far.
    [[nodiscard]] std::uint64_t received() const { return received_; }

  private:
    [[nodiscard]] async::Task<Result<void>> send_pending();
    [[nodiscard]] async::Task<void> lock();
    void unlock();

    protocol::Responder& responder_;
    SlowAnswers& slow_;
    std::string prefix_;
    async::Executor executor_;
    sandbox::CgiParser parser_;
    std::optional<async::Event> unlocked_;
    std::uint64_t received_ = 0;
    bool streaming_ = false;
    bool head_sent_ = false;
    bool locked_ = false;
    bool closed_ = false;
};

}  // namespace decloud::services
