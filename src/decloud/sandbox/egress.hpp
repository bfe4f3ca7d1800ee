#pragma once

#include "types.hpp"

#include <decloud/async/task.hpp>
#include <decloud/base/result.hpp>

#include <memory>

namespace decloud::sandbox {

/// The proxy of one sandbox, through which alone its program reaches other machines. Single
/// threaded.
class EgressProxy {
  public:
    /// `stop` must have ended.
    virtual ~EgressProxy() = default;
    /// So far.
    [[nodiscard]] virtual EgressUse use() const = 0;
    /// Ends every connection at once and waits for what still runs.
    [[nodiscard]] virtual async::Task<void> stop() = 0;
};

/// A proxy that is brought each connection.
class EgressConnections : public EgressProxy {
  public:
    /// Serves `connection`, a connected stream socket, which it owns from now on.
    virtual void add(int connection) = 0;
};

/// A program's way out: decides where it leads. Without one a sandbox has no network at all. Single
/// threaded.
class Egress {
  public:
    virtual ~Egress() = default;
    /// An HTTP proxy on `listener`, a listening TCP socket in the network of one sandbox, which it
    /// owns from now on, also if this fails. Errors: from errno.
    [[nodiscard]] virtual Result<std::unique_ptr<EgressProxy>> open(int listener) = 0;
    /// An HTTP proxy that takes https URLs too, and speaks TLS with their hosts itself.
    [[nodiscard]] virtual std::unique_ptr<EgressConnections> open() = 0;
};

}  // namespace decloud::sandbox
