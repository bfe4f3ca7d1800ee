#pragma once

#include "fd.hpp"
#include "process.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/result.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace decloud::sandbox::internal {

/// A worker process and the conversation with it, on the node's side. Single threaded.
///
/// Lives until `stop()` has ended or `on_end` was called; the callbacks run on the executor.
class WorkerChannel {
  public:
    struct Handlers {
        /// One message; what it says is untrusted. The data is valid during the call. False if it
        /// makes no sense: the worker is then killed.
        std::function<bool(Message)> on_message;
        /// Called once, when the process has ended and was reaped, with how. The channel may not
        /// be destroyed inside it.
        std::function<void(std::string)> on_end;
    };

    WorkerChannel(async::Executor executor, WorkerProcess process, Handlers handlers);
    ~WorkerChannel();
    WorkerChannel(const WorkerChannel&) = delete;
    WorkerChannel& operator=(const WorkerChannel&) = delete;

    /// Sends at once, or as soon as there is room. `fds` are closed on this side when it is sent.
    void send(Bytes data, std::vector<UniqueFd> fds = {});
    void kill() { process_.kill(); }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] pid_t pid() const { return process_.pid(); }
    /// Kills the process and waits until it was reaped and no callback can come any more. Before
    /// that the process gets `patience` to end by itself when it sees its socket closed.
    [[nodiscard]] async::Task<void> stop(
        std::chrono::milliseconds patience = std::chrono::milliseconds(0));

  private:
    struct Outgoing {
        Bytes data;
        std::vector<UniqueFd> fds;
    };

    async::Task<void> receive_loop();
    async::Task<void> reap_when_ended();
    async::Task<void> flush();
    /// True if there is nothing more to read now; false ends the conversation.
    bool drain();

    async::Executor executor_;
    WorkerProcess process_;
    Handlers handlers_;
    boost::asio::posix::stream_descriptor socket_;
    boost::asio::posix::stream_descriptor pidfd_;
    Bytes buffer_;
    std::deque<Outgoing> outgoing_;
    bool flushing_ = false;
    bool ended_ = false;
    async::Event end_;
    async::TaskGroup tasks_;
};

}  // namespace decloud::sandbox::internal
