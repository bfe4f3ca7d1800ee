#include "listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace decloud::sandbox::server {

using internal::UniqueFd;

namespace {

constexpr int kBacklog = 128;

/// By way of an open folder or file: the name of a socket is short.
sockaddr_un name_of(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::ranges::copy(path.substr(0, sizeof name.sun_path - 1), std::begin(name.sun_path));
    return name;
}

}  // namespace

Result<Listener> make_listener(const std::filesystem::path& folder) {
    static std::atomic<std::uint64_t> last_number{0};
    const UniqueFd place(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!place) {
        return fail(errno_error(folder.string()));
    }
    const std::string file = fmt::format(".listen-{}-{}", ::getpid(), ++last_number);
    const sockaddr_un name = name_of(fmt::format("/proc/self/fd/{}/{}", place.get(), file));
    Listener listener;
    listener.socket = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener.socket ||
        ::bind(listener.socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        return fail(errno_error("binding a socket"));
    }
    listener.address =
        UniqueFd(::openat(place.get(), file.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    ::unlinkat(place.get(), file.c_str(), 0);
    if (!listener.address || ::listen(listener.socket.get(), kBacklog) != 0) {
        return fail(errno_error("listening"));
    }
    return listener;
}

Result<UniqueFd> connect_to(const UniqueFd& address) {
    const sockaddr_un name = name_of(fmt::format("/proc/self/fd/{}", address.get()));
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        return fail(errno_error("connecting to the server"));
    }
    return socket;
}

}  // namespace decloud::sandbox::server
