#pragma once

#include "receipts.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/http/http2_link.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/url.hpp>

#include <memory>
#include <string>
#include <vector>

namespace decloud::node {

/// Keeps a tunnel open to each of some gateways, through which they pass requests: for who can
/// dial out and not be dialled. Single threaded.
class TunnelKeeper {
  public:
    /// `identity` outlives this, and has a delegation. `handler` answers as the public listener.
    TunnelKeeper(async::Executor executor,
        std::vector<net::Url> gateways,
        const NodeIdentity& identity,
        net::http::ServerSettings server,
        net::http::Handler handler);
    /// `stop` must have ended.
    ~TunnelKeeper();
    TunnelKeeper(const TunnelKeeper&) = delete;
    TunnelKeeper& operator=(const TunnelKeeper&) = delete;

    /// Dials, and dials again with a growing, jittered pause, until `stop`.
    [[nodiscard]] async::Task<void> run();
    /// Lets running requests end for up to `grace`.
    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace);

  private:
    [[nodiscard]] async::Task<void> keep(net::Url gateway);
    /// Ends when the tunnel does; true if it was open.
    [[nodiscard]] async::Task<Result<void>> open_once(net::Url gateway, bool* opened);

    async::Executor executor_;
    std::vector<net::Url> gateways_;
    const NodeIdentity& identity_;
    net::http::ServerSettings server_;
    net::http::Handler handler_;
    net::http::Client client_;
    /// Later processes have higher ones.
    std::uint64_t epoch_;
    std::string instance_;
    std::vector<std::shared_ptr<net::http::Http2Responder>> open_;
    /// Before their claim is accepted.
    std::vector<net::Stream*> proving_;
    async::Event stop_;
    async::TaskGroup tasks_;
    bool stopping_ = false;
};

}  // namespace decloud::node
