#pragma once

#include "../internal/fd.hpp"

#include <decloud/base/bytes.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace decloud::sandbox::wasm {

/// A moment of the monotonic clock.
using SteadyTime = std::chrono::steady_clock::time_point;

/// stdin, stdout, stderr and the patience of one run, inside the worker. Used by the thread that
/// runs the program; only `cancel` may be called from another one.
///
/// Output is kept back up to 64 KiB or 20 ms, so that a short answer travels in one message; then
/// it streams through a pipe.
class Stdio {
  public:
    /// Why the run must end. The first reason stays.
    enum class Stop { none, timed_out, cancelled, response_limit, reader_gone, failed };

    /// What one run takes in and may give out. Sizes in bytes.
    struct Settings {
        /// Input that came with the request, valid for the run's life; or, if it is set, from
        /// `input_fd`: memory (read from its start) or a pipe that does not block.
        BytesView input;
        internal::UniqueFd input_fd;
        bool input_is_pipe = false;
        std::uint64_t response_bytes = 0;
        std::size_t stderr_bytes = 0;
        SteadyTime deadline;
        /// Gives the reader's end of the output pipe to the node. False: it is gone.
        std::function<bool(int)> open_stream;
    };

    /// Bytes of output that are kept back before it streams.
    static constexpr std::size_t kKept = 64 * 1024;

    /// Nothing read or written yet.
    explicit Stdio(Settings settings) : settings_(std::move(settings)) {}

    /// Whether output is on its way, must wait until `output` is writable, or the run must end.
    enum class Progress { done, blocked, stopped };

    /// Fills the front of `target`, waiting for at least one byte. 0: the end, or a stop.
    [[nodiscard]] std::size_t read(std::span<std::uint8_t> target);
    /// As `read`; nothing if it would wait, until `input` is readable.
    [[nodiscard]] std::optional<std::size_t> try_read(std::span<std::uint8_t> target);
    /// True if `read` would not wait.
    [[nodiscard]] bool readable();
    /// False if the run must end.
    [[nodiscard]] bool write(BytesView data);
    /// Takes as much of the front of `data` as there is room for, without waiting, and returns how
    /// many bytes; less than all: `push` makes room. Nothing: the run must end.
    [[nodiscard]] std::optional<std::size_t> offer(BytesView data);
    /// Sends what is kept, without waiting.
    [[nodiscard]] Progress push();
    /// The descriptors of input and output that stream; else -1.
    [[nodiscard]] int input() const { return settings_.input_fd.get(); }
    [[nodiscard]] int output() const { return stream_.get(); }
    /// To stderr, of which the last `stderr_bytes` are kept.
    void write_error(BytesView data);
    /// Sleeps, or until stdin is readable if `for_input`. False if the run must end.
    [[nodiscard]] bool wait_until(SteadyTime time, bool for_input);
    /// At the end of a run that streams: pushes out what is kept and closes the pipe.
    void finish();

    /// Deadline and cancellation; also called by the engine's epoch. True: go on.
    [[nodiscard]] bool check();
    /// Why the run must end; `none` while it may go on.
    [[nodiscard]] Stop stop() const { return stop_; }
    /// From any thread: the next `check` or wait ends the run.
    void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

    /// True once output went through the pipe.
    [[nodiscard]] bool streamed() const { return streamed_; }
    /// Output that was never streamed.
    [[nodiscard]] BytesView kept() const { return kept_; }
    /// Bytes of stdout in all.
    [[nodiscard]] std::uint64_t written() const { return written_; }
    /// The end of stderr, at most `stderr_bytes`.
    [[nodiscard]] std::string error_tail() const;
    /// As in the settings.
    [[nodiscard]] SteadyTime deadline() const { return settings_.deadline; }

  private:
    bool end(Stop reason);
    bool flush();
    bool start_stream();
    /// Waits for `fd` in short slices, so that a cancellation is seen.
    bool wait_for(int fd, short events, SteadyTime until);

    Settings settings_;
    std::atomic<bool> cancelled_ = false;
    Stop stop_ = Stop::none;
    std::size_t input_position_ = 0;
    bool input_ended_ = false;
    Bytes kept_;
    /// Bytes at the front of `kept_` that are in the pipe already.
    std::size_t pushed_ = 0;
    SteadyTime first_kept_;
    std::uint64_t written_ = 0;
    bool streamed_ = false;
    internal::UniqueFd stream_;
    std::string errors_;
};

}  // namespace decloud::sandbox::wasm
