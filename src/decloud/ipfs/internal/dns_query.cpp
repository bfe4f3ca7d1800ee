#include "dns_query.hpp"

#include <decloud/async/timeout.hpp>

#include <ares.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/epoll.h>

#include <array>
#include <memory>
#include <type_traits>

namespace decloud::ipfs::internal {

namespace {

using Clock = std::chrono::steady_clock;
using Descriptor = boost::asio::posix::stream_descriptor;

/// Each time twice as long is waited: with all of them, the limit is over.
constexpr int kTries = 3;
constexpr int kFirstWaitOfLimit = 7;
/// What passes every path over UDP unbroken; longer answers come by TCP.
constexpr int kDatagram = 1232;
constexpr std::size_t kMostAnswer = 32'768;
constexpr std::size_t kMostEvents = 16;

struct Answer {
    bool done = false;
    int status = ARES_SUCCESS;
    Bytes message;
};

void take(void* target, int status, int /*timeouts*/, unsigned char* bytes, int size) {
    auto& answer = *static_cast<Answer*>(target);
    answer.done = true;
    answer.status = status;
    if (bytes == nullptr || size <= 0) {
        return;
    }
    if (static_cast<std::size_t>(size) > kMostAnswer) {
        answer.status = ARES_EBADRESP;
        return;
    }
    answer.message.assign(bytes, bytes + size);
}

/// Keeps the set of sockets that are waited for.
void watch(void* descriptor, ares_socket_t socket, int reads, int writes) {
    const int set = static_cast<Descriptor*>(descriptor)->native_handle();
    epoll_event event{};
    event.data.fd = socket;
    event.events = (reads != 0 ? EPOLLIN : 0U) | (writes != 0 ? EPOLLOUT : 0U);
    if (event.events == 0) {
        (void)::epoll_ctl(set, EPOLL_CTL_DEL, socket, nullptr);
    } else if (::epoll_ctl(set, EPOLL_CTL_ADD, socket, &event) != 0) {
        (void)::epoll_ctl(set, EPOLL_CTL_MOD, socket, &event);
    }
}

struct CloseChannel {
    void operator()(ares_channel channel) const { ares_destroy(channel); }
};
using Channel = std::unique_ptr<std::remove_pointer_t<ares_channel>, CloseChannel>;

std::unexpected<Error> failed(int status) {
    const std::string why = std::string("DNS: ") + ares_strerror(status);
    switch (status) {
        case ARES_ENODATA:
        case ARES_ENOTFOUND:
            return fail(CommonError::not_found, why);
        case ARES_ETIMEOUT:
            return fail(CommonError::timeout, why);
        case ARES_EBADNAME:
            return fail(CommonError::invalid_input, why);
        default:
            return fail(CommonError::unavailable, why);
    }
}

/// `sockets` outlives the channel.
Result<Channel> open_channel(
    const std::string& servers, std::chrono::milliseconds limit, Descriptor& sockets) {
    static const int ready = ares_library_init(ARES_LIB_INIT_ALL);
    if (ready != ARES_SUCCESS) {
        return failed(ready);
    }
    ares_options options{};
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
    options.timeout = static_cast<int>(limit.count() / kFirstWaitOfLimit);
    options.tries = kTries;
    options.ednspsz = kDatagram;
    options.sock_state_cb = watch;
    options.sock_state_cb_data = &sockets;
    ares_channel raw = nullptr;
    if (const int status = ares_init_options(&raw, &options,
            ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                ARES_OPT_SOCK_STATE_CB);
        status != ARES_SUCCESS) {
        return failed(status);
    }
    Channel channel(raw);
    if (!servers.empty()) {
        if (const int status = ares_set_servers_ports_csv(raw, servers.c_str());
            status != ARES_SUCCESS) {
            return failed(status);
        }
    }
    return channel;
}

/// Until c-ares wants to repeat its question, at most `left`.
std::chrono::milliseconds due_in(ares_channel channel, std::chrono::milliseconds left) {
    constexpr int kThousand = 1000;
    timeval longest{
        .tv_sec = left.count() / kThousand, .tv_usec = left.count() % kThousand * kThousand};
    timeval next{};
    const timeval* const due = ares_timeout(channel, &longest, &next);
    return std::chrono::milliseconds(due->tv_sec * kThousand + due->tv_usec / kThousand + 1);
}

/// Lets the channel work on what its sockets have, or on what is overdue.
void work(ares_channel channel, Descriptor& sockets) {
    std::array<epoll_event, kMostEvents> events{};
    const int count = ::epoll_wait(sockets.native_handle(), events.data(), events.size(), 0);
    if (count <= 0) {
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        return;
    }
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        ares_process_fd(channel,
            (event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 ? event.data.fd : ARES_SOCKET_BAD,
            (event.events & EPOLLOUT) != 0 ? event.data.fd : ARES_SOCKET_BAD);
    }
}

/// `sockets` outlives the wait.
async::Task<Result<void>> readable(Descriptor* sockets) {
    boost::system::error_code problem;
    co_await sockets->async_wait(
        Descriptor::wait_read, boost::asio::redirect_error(boost::asio::use_awaitable, problem));
    co_return Result<void>{};
}

}  // namespace

async::Task<Result<DnsTexts>> query_dns_texts(
    std::string name, std::string servers, std::chrono::milliseconds limit) {
    const auto end = Clock::now() + limit;
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) {
        co_return fail(CommonError::unavailable, "DNS: no descriptor is left");
    }
    // Both before the channel, which tells them that it ends.
    Descriptor sockets(co_await boost::asio::this_coro::executor, set);
    Answer answer;
    CO_TRY(const Channel channel, open_channel(servers, limit, sockets));
    ares_query(channel.get(), name.c_str(), kInternetClass, kTextType, take, &answer);
    while (!answer.done) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        if (left.count() <= 0) {
            co_return failed(ARES_ETIMEOUT);
        }
        (void)co_await async::with_timeout(due_in(channel.get(), left), readable(&sockets));
        work(channel.get(), sockets);
    }
    co_return answer.status == ARES_SUCCESS ? parse_dns_texts(answer.message)
                                            : Result<DnsTexts>(failed(answer.status));
}

}  // namespace decloud::ipfs::internal
