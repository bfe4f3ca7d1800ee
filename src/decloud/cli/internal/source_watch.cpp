#include "source_watch.hpp"

#include <decloud/async/timeout.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <functional>

namespace decloud::cli::internal {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostFiles = 20'000;
constexpr std::size_t kMostFolders = 2'000;
/// Editors write a file in several steps.
constexpr std::chrono::milliseconds kQuiet{30};
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_ONLYDIR;
constexpr std::array<std::string_view, 4> kForeign{"node_modules", "target", "__pycache__", "venv"};

bool is_source_folder(const client::Project& project, const fs::path& relative) {
    const std::string name = relative.filename().string();
    const fs::path root = project.root.lexically_normal();
    return !name.starts_with('.') && std::ranges::find(kForeign, name) == kForeign.end() &&
           relative != root;
}

bool is_made_by_build(const client::Project& project, const fs::path& relative) {
    return !project.build.empty() &&
           relative == (project.root / project.manifest.entry).lexically_normal();
}

/// Every source and every folder with sources; `visit` says false to stop.
void walk(const client::Project& project,
    const std::function<bool(const fs::path& relative, const fs::directory_entry&)>& visit) {
    std::error_code failed;
    const fs::path folder = project.folder;
    fs::recursive_directory_iterator entries(folder, failed);
    for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
        std::error_code ignored;
        const fs::path relative = entries->path().lexically_relative(folder);
        if (entries->is_directory(ignored) && !entries->is_symlink(ignored) &&
            !is_source_folder(project, relative)) {
            entries.disable_recursion_pending();
        } else if (!visit(relative, *entries)) {
            return;
        }
    }
}

}  // namespace

SourceState read_sources(const client::Project& project) {
    SourceState out;
    walk(project, [&](const fs::path& relative, const fs::directory_entry& entry) {
        std::error_code failed;
        if (!entry.is_regular_file(failed) || is_made_by_build(project, relative)) {
            return true;
        }
        const auto written = fs::last_write_time(entry.path(), failed);
        const auto size = fs::file_size(entry.path(), failed);
        if (!failed) {
            out[relative.string()] = {written.time_since_epoch().count(), size};
        }
        return out.size() < kMostFiles;
    });
    return out;
}

Result<SourceWatch> SourceWatch::open(const async::Executor& executor) {
    const int descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (descriptor < 0) {
        return fail(errno_error("watch the sources"));
    }
    return SourceWatch(boost::asio::posix::stream_descriptor(executor, descriptor));
}

/// A folder that is watched already stays so.
void SourceWatch::watch_folders(const client::Project& project) {
    std::size_t folders = 1;
    (void)inotify_add_watch(events_.native_handle(), project.folder.c_str(), kEvents);
    walk(project, [&](const fs::path&, const fs::directory_entry& entry) {
        std::error_code failed;
        if (entry.is_directory(failed) && !entry.is_symlink(failed)) {
            ++folders;
            (void)inotify_add_watch(events_.native_handle(), entry.path().c_str(), kEvents);
        }
        return folders < kMostFolders;
    });
}

async::Task<void> SourceWatch::wait_for_change(client::Project project, SourceState known) {
    std::array<char, 8192> buffer{};
    // Watched first, so that nothing happens unseen after it was compared.
    watch_folders(project);
    while (read_sources(project) == known) {
        constexpr auto kResult = boost::asio::as_tuple(boost::asio::use_awaitable);
        const auto [error, count] =
            co_await events_.async_read_some(boost::asio::buffer(buffer), kResult);
        if (error) {
            throw boost::system::system_error(boost::asio::error::operation_aborted);
        }
        co_await async::delay(kQuiet);
        watch_folders(project);
    }
}

}  // namespace decloud::cli::internal
