#include "name_lookup.hpp"

#include "../error.hpp"

#include <decloud/async/event.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace decloud::net::internal {

namespace asio = boost::asio;

namespace {

/// Names whose servers do not answer hold a thread for as long as the system's resolver tries.
constexpr std::size_t kMaxThreads = 64;

asio::ip::address address_of(const sockaddr& socket_address) {
    if (socket_address.sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &socket_address, sizeof in);
        return asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
    }
    sockaddr_in6 in{};
    std::memcpy(&in, &socket_address, sizeof in);
    asio::ip::address_v6::bytes_type bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return asio::ip::address_v6(bytes, in.sin6_scope_id);
}

NameLookup::Addresses ask_system(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    NameLookup::Addresses out;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0) {
        for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
            if (each->ai_family == AF_INET || each->ai_family == AF_INET6) {
                out.push_back(address_of(*each->ai_addr));
            }
        }
        ::freeaddrinfo(found);
    }
    return out;
}

}  // namespace

struct NameLookup::Waiter {
    explicit Waiter(async::Executor on) : executor(std::move(on)), found(executor) {}
    async::Executor executor;
    async::Event found;
    Addresses addresses;
};

struct NameLookup::Lookup {
    std::vector<std::shared_ptr<Waiter>> waiters;
};

/// Shared with the threads, which may outlive the object.
struct NameLookup::State {
    State(Resolver with, std::size_t at_most) : resolver(std::move(with)), max_threads(at_most) {}

    /// On a thread of its own.
    void look_up(const std::string& host) {
        const Addresses addresses = resolver(host);
        const std::scoped_lock lock(mutex);
        const auto lookup = under_way.extract(host);
        // Who is still among the waiters has an executor that still exists.
        for (const auto& waiter : lookup.mapped()->waiters) {
            asio::post(waiter->executor, [waiter, addresses] {
                waiter->addresses = addresses;
                waiter->found.set();
            });
        }
    }

    Resolver resolver;
    std::size_t max_threads;
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<Lookup>> under_way;
};

/// Is among those who are told, until it is destroyed.
class NameLookup::Registered {
  public:
    /// Errors: unavailable.
    [[nodiscard]] static Result<std::unique_ptr<Registered>> enter(
        std::shared_ptr<State> state, const std::string& host, std::shared_ptr<Waiter> waiter) {
        const std::scoped_lock lock(state->mutex);
        std::shared_ptr<Lookup> lookup;
        if (const auto found = state->under_way.find(host); found != state->under_way.end()) {
            lookup = found->second;
        } else {
            if (state->under_way.size() >= state->max_threads) {
                return fail(CommonError::unavailable, "too many host names are looked up");
            }
            lookup = std::make_shared<Lookup>();
            try {
                // Nothing can end it, and nobody waits for it.
                std::thread([state, host] { state->look_up(host); }).detach();
            } catch (const std::system_error& error) {
                return fail(CommonError::unavailable, error.what());
            }
            state->under_way.emplace(host, lookup);
        }
        lookup->waiters.push_back(waiter);
        return std::unique_ptr<Registered>(
            new Registered(std::move(state), std::move(lookup), std::move(waiter)));
    }
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;
    ~Registered() {
        const std::scoped_lock lock(state_->mutex);
        std::erase(lookup_->waiters, waiter_);
    }

  private:
    Registered(std::shared_ptr<State> state,
        std::shared_ptr<Lookup> lookup,
        std::shared_ptr<Waiter> waiter)
        : state_(std::move(state)), lookup_(std::move(lookup)), waiter_(std::move(waiter)) {}

    std::shared_ptr<State> state_;
    std::shared_ptr<Lookup> lookup_;
    std::shared_ptr<Waiter> waiter_;
};

NameLookup::NameLookup(Resolver resolver, std::size_t max_threads)
    : state_(std::make_shared<State>(std::move(resolver), max_threads)) {}

NameLookup& NameLookup::system() {
    static NameLookup lookup(ask_system, kMaxThreads);
    return lookup;
}

async::Task<Result<NameLookup::Addresses>> NameLookup::find(
    std::string host, std::chrono::steady_clock::duration limit) {
    const auto state = state_;
    const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
    CO_TRY(const auto registered, Registered::enter(state, host, waiter));
    CO_TRY_VOID(co_await waiter->found.wait(limit));
    if (waiter->addresses.empty()) {
        co_return fail(NetError::name_not_found, host);
    }
    co_return std::move(waiter->addresses);
}

std::size_t NameLookup::active() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->under_way.size();
}

}  // namespace decloud::net::internal
