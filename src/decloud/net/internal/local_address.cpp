#include "local_address.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>

namespace decloud::net::internal {

namespace {

constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;

}  // namespace

Result<LocalAddress> LocalAddress::of(const std::string& path) {
    LocalAddress address;
    if (path.size() <= kMaxPath) {
        address.endpoint_.path(path);
        return address;
    }
    const std::filesystem::path whole(path);
    address.folder_ = ::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (address.folder_ < 0) {
        return fail(errno == ENOENT ? Error(CommonError::not_found, whole.parent_path().string())
                                    : errno_error("open " + whole.parent_path().string()));
    }
    const std::string shorter =
        fmt::format("/proc/self/fd/{}/{}", address.folder_, whole.filename().string());
    if (shorter.size() > kMaxPath) {
        return fail(CommonError::invalid_input,
            fmt::format("the file name of the socket {} is too long", path));
    }
    address.endpoint_.path(shorter);
    return address;
}

LocalAddress::~LocalAddress() {
    if (folder_ >= 0) {
        ::close(folder_);
    }
}

}  // namespace decloud::net::internal
