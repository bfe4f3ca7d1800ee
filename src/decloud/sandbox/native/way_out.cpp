#include "way_out.hpp"

#include <decloud/base/log.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace decloud::sandbox::native {

using internal::UniqueFd;

namespace {

namespace asio = boost::asio;

/// Nothing else is in a sandbox's network: it is always free.
constexpr std::uint16_t kProxyPort = 3128;
constexpr int kBacklog = 64;

Result<void> bring_loopback_up() {
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
        return fail(errno_error("bringing the loopback up"));
    }
    return {};
}

bool is_tcp_listener(int fd) {
    const auto option = [fd](int name) {
        int value = -1;
        socklen_t size = sizeof value;
        return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
    };
    return option(SO_DOMAIN) == AF_INET && option(SO_TYPE) == SOCK_STREAM &&
           option(SO_ACCEPTCONN) == 1;
}

EgressUse difference(const EgressUse& now, const EgressUse& before) {
    return {.requests = now.requests - before.requests,
        .refused = now.refused - before.refused,
        .sent_bytes = now.sent_bytes - before.sent_bytes,
        .received_bytes = now.received_bytes - before.received_bytes};
}

}  // namespace

Result<void> send_proxy_listener(int channel) {
    TRY_VOID(bring_loopback_up());
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kProxyPort);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listener ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener.get(), kBacklog) != 0) {
        return fail(errno_error("listening for the proxy"));
    }
    const std::uint8_t here = 1;
    const std::array fds{listener.get()};
    return internal::send_message(channel, BytesView(&here, 1), fds, 0);
}

Environment with_proxy(Environment environment) {
    const std::string url = fmt::format("http://127.0.0.1:{}", kProxyPort);
    for (const char* const name : {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}) {
        if (std::ranges::find(environment, name, &Environment::value_type::first) ==
            environment.end()) {
            environment.emplace_back(name, url);
        }
    }
    return environment;
}

WayOut::WayOut(const async::Executor& executor, std::shared_ptr<Egress> egress)
    : egress_(std::move(egress)), tasks_(executor) {}

Result<UniqueFd> WayOut::open() {
    TRY(auto ends, internal::make_socket_pair());
    tasks_.spawn(serve(std::move(ends[0])));
    return std::move(ends[1]);
}

async::Task<void> WayOut::serve(UniqueFd channel) {
    asio::posix::stream_descriptor socket(co_await asio::this_coro::executor, channel.release());
    const auto [error] = co_await socket.async_wait(
        asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error) {
        co_return;
    }
    std::array<std::uint8_t, 16> buffer{};
    auto message = internal::receive_message(socket.native_handle(), buffer, MSG_DONTWAIT);
    if (!message || message->fds.size() != 1 || !is_tcp_listener(message->fds.front().get())) {
        // The sandbox has ended before; its launcher tells how.
        co_return;
    }
    auto proxy = egress_->open(message->fds.front().release());
    if (!proxy) {
        log::error("sandbox", "a program has no way out: {}", proxy.error().message());
        co_return;
    }
    proxy_ = std::move(*proxy);
}

std::optional<EgressUse> WayOut::take_use() {
    if (!egress_) {
        return std::nullopt;
    }
    const EgressUse now = proxy_ ? proxy_->use() : EgressUse{};
    return difference(now, std::exchange(taken_, now));
}

async::Task<void> WayOut::stop() {
    tasks_.cancel();
    co_await tasks_.join();
    if (proxy_) {
        co_await proxy_->stop();
    }
}

}  // namespace decloud::sandbox::native
