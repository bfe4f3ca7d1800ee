#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>
#include <decloud/client/project.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace decloud::cli::internal {

/// The files that a project is made from, by when they were written and how large they are: not
/// what its build makes, hidden folders and those of package managers.
using SourceState = std::map<std::string, std::pair<std::int64_t, std::uintmax_t>>;

/// As it is now. What cannot be read is left out.
[[nodiscard]] SourceState read_sources(const client::Project& project);

/// Tells when a project's sources change (inotify). Single threaded.
class SourceWatch {
  public:
    /// Error: from errno.
    [[nodiscard]] static Result<SourceWatch> open(const async::Executor& executor);

    /// Ends when the sources are no longer as in `known` and nothing has changed for a moment;
    /// cancelled in Asio's sense.
    [[nodiscard]] async::Task<void> wait_for_change(client::Project project, SourceState known);

  private:
    explicit SourceWatch(boost::asio::posix::stream_descriptor events)
        : events_(std::move(events)) {}
    void watch_folders(const client::Project& project);

    boost::asio::posix::stream_descriptor events_;
};

}  // namespace decloud::cli::internal
