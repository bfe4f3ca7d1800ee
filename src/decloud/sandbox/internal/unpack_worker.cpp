#include "unpack_worker.hpp"

#include "confine.hpp"
#include "one_shot.hpp"
#include "package.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace decloud::sandbox::internal {

namespace {

/// Folders of every native root that the sandbox fills: a package may name but not fill them.
constexpr std::array<std::string_view, 3> kOwnFolders{"dev", "proc", "tmp"};

/// Writes a package into the process's root folder, which holds nothing else.
class Unpacker {
  public:
    explicit Unpacker(std::string entry) : entry_(std::move(entry)) {}

    Result<void> run(BytesView zip, const PackageLimits& limits) {
        for (const std::string_view folder : kOwnFolders) {
            TRY_VOID(make_folder(std::string(folder)));
        }
        TRY_VOID(read_package(zip, limits,
            {.begin = [this](const PackageEntry& item) { return begin(item); },
                .data = [this](BytesView data) { return write_all(file_.get(), data); },
                .end = [this]() -> Result<void> {
                    file_.reset();
                    return {};
                }}));
        if (!found_entry_) {
            return fail(CommonError::invalid_input,
                fmt::format("package: there is no file '{}' to start", entry_));
        }
        return make_read_only();
    }

  private:
    Result<bool> begin(const PackageEntry& item) {
        const std::size_t slash = item.path.find('/');
        const std::string_view top = std::string_view(item.path).substr(0, slash);
        if (std::ranges::find(kOwnFolders, top) != kOwnFolders.end() &&
            (slash != std::string::npos || !item.directory)) {
            return fail(
                CommonError::invalid_input, fmt::format("package: /{} is the sandbox's own", top));
        }
        for (std::size_t end = slash; end != std::string::npos;
            end = item.path.find('/', end + 1)) {
            TRY_VOID(make_folder(item.path.substr(0, end)));
        }
        if (item.directory) {
            TRY_VOID(make_folder(item.path));
            return false;
        }
        const bool is_entry = item.path == entry_;
        found_entry_ = found_entry_ || is_entry;
        const mode_t mode = is_entry || item.executable ? 0555 : 0444;
        file_ = UniqueFd(
            ::open(item.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
        if (!file_) {
            return fail(errno_error("unpacking a file"));
        }
        return true;
    }

    Result<void> make_folder(const std::string& path) {
        if (folders_.insert(path).second && ::mkdirat(AT_FDCWD, path.c_str(), 0755) != 0) {
            return fail(errno_error("unpacking a folder"));
        }
        return {};
    }

    Result<void> make_read_only() {
        for (const std::string& folder : folders_) {
            if (::fchmodat(AT_FDCWD, folder.c_str(), 0555, 0) != 0) {
                return fail(errno_error("fchmodat"));
            }
        }
        return {};
    }

    std::string entry_;
    UniqueFd file_;
    std::set<std::string> folders_;
    bool found_entry_ = false;
};

}  // namespace

Bytes make_unpack_request(const std::string& entry, std::uint64_t total_bytes) {
    WireWriter request;
    request.put_text(entry);
    request.put(total_bytes);
    return request.take();
}

int unpack_worker_main(int socket, const AcceptedLayers& accepted) {
    return serve_one_shot(
        socket, [&](WireReader request, std::span<UniqueFd> fds) -> Result<UniqueFd> {
            std::string entry(request.get_text());
            PackageLimits limits{.total_bytes = request.get<std::uint64_t>()};
            if (!request.complete() || fds.size() != 2) {
                return fail(CommonError::internal, "bad request");
            }
            if (::fchdir(fds[1].get()) != 0) {
                return fail(errno_error("fchdir"));
            }
            fds[1].reset();
            TRY(const MappedFile zip, MappedFile::open(fds[0].get()));
            TRY_VOID(confine({.keep_current_folder = true,
                                 .change_user = false,
                                 .address_space_bytes = kGiB,
                                 .file_bytes = limits.total_bytes + 1,
                                 .cpu_seconds = 60,
                                 .system_calls = SystemCalls::one_shot},
                accepted));
            ::umask(0);
            TRY_VOID(Unpacker(std::move(entry)).run(zip.view(), limits));
            return UniqueFd();
        });
}

}  // namespace decloud::sandbox::internal
