#pragma once

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace decloud::net::internal {

/// Host names' addresses by what blocks and cannot be cancelled, as the system's resolver does.
/// Each name is looked up on a thread of its own, once for all who ask meanwhile, so that one that
/// hangs holds up neither its caller nor other names. Thread safe.
class NameLookup {
  public:
    using Addresses = std::vector<boost::asio::ip::address>;
    /// Blocks; called on any thread. Empty: there is no address.
    using Resolver = std::function<Addresses(const std::string& host)>;

    /// At most `max_threads` names are looked up at a time.
    NameLookup(Resolver resolver, std::size_t max_threads);

    /// With getaddrinfo, for the process.
    [[nodiscard]] static NameLookup& system();

    /// What hangs goes on without the caller. Errors: name_not_found; timeout after `limit`;
    /// unavailable if too many names are looked up; cancelled.
    [[nodiscard]] async::Task<Result<Addresses>> find(
        std::string host, std::chrono::steady_clock::duration limit);
    /// Names that are looked up now.
    [[nodiscard]] std::size_t active() const;

  private:
    struct Waiter;
    struct Lookup;
    struct State;
    class Registered;

    std::shared_ptr<State> state_;
};

}  // namespace decloud::net::internal
