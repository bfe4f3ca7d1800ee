#pragma once

#include "../types.hpp"
#include "fd.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace decloud::sandbox::internal {

/// The end of a program's input that is written to.
using InputPipe = std::shared_ptr<boost::asio::posix::stream_descriptor>;

/// Reads `body` to its end into `pipe` and closes it. A pipe that the program closed is no error:
/// it does not want more. Errors: limit_exceeded after `limit` bytes; the body's own. With an error
/// the pipe stays open for the caller to keep until the run has ended: a program must not take half
/// a body for a whole one.
[[nodiscard]] async::Task<Result<void>> pump_in(
    std::shared_ptr<BodySource> body, InputPipe pipe, std::uint64_t limit);

/// Reads `pipe` to its end into `sink` and returns how many bytes. Errors: limit_exceeded after
/// `limit` bytes; the sink's own.
[[nodiscard]] async::Task<Result<std::uint64_t>> pump_out(
    UniqueFd pipe, std::shared_ptr<ResponseSink> sink, std::uint64_t limit);

/// Reads `pipe` to its end and keeps the last `limit` bytes in `*tail`, which outlives the task.
/// `heard`, if not empty, is told what comes.
[[nodiscard]] async::Task<void> keep_tail(UniqueFd pipe,
    std::string* tail,
    std::size_t limit,
    std::function<void(std::string_view)> heard = {});

}  // namespace decloud::sandbox::internal
