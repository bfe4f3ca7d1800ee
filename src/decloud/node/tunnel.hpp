#pragma once

#include "receipts.hpp"
#include "tunnel_demand.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/http/http2_link.hpp>
#include <decloud/net/http/server.hpp>
#include <decloud/net/url.hpp>
#include <decloud/net/websocket/byte_stream.hpp>

#include <memory>
#include <string>
#include <vector>

namespace decloud::node {

/// Keeps a tunnel open to each of some gateways, through which they pass requests: for who can
/// dial out and not be dialled. A tunnel is one connection, under load up to four. Single threaded.
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
    struct Connection {
        std::shared_ptr<net::http::Http2Responder> link;
        /// Beyond the one that is always there.
        bool additional = false;
        /// It ends with its last request.
        bool draining = false;
    };
    /// To one gateway.
    struct Tunnel {
        net::Url gateway;
        std::vector<Connection> connections{};
        std::size_t opening = 0;
        TunnelDemand demand{};
    };

    /// The connection that is always there.
    [[nodiscard]] async::Task<void> keep(std::shared_ptr<Tunnel> tunnel);
    /// The others.
    [[nodiscard]] async::Task<void> follow_load(std::shared_ptr<Tunnel> tunnel);
    [[nodiscard]] async::Task<void> add_connection(std::shared_ptr<Tunnel> tunnel);
    static void remove_connection(Tunnel& tunnel);
    /// Ends when the connection does; `opened` says whether it was open.
    [[nodiscard]] async::Task<Result<void>> open_once(
        std::shared_ptr<Tunnel> tunnel, bool additional, std::shared_ptr<bool> opened);
    /// Dials, and has its claim accepted.
    [[nodiscard]] async::Task<Result<std::unique_ptr<net::websocket::ByteStream>>> prove_once(
        net::Url gateway);
    [[nodiscard]] bool are_open() const;
    void for_each_link(void (net::http::Http2Responder::*action)());

    async::Executor executor_;
    std::vector<std::shared_ptr<Tunnel>> tunnels_;
    const NodeIdentity& identity_;
    net::http::ServerSettings server_;
    net::http::Handler handler_;
    net::http::Client client_;
    /// Later processes have higher ones.
    std::uint64_t epoch_;
    std::string instance_;
    /// Before their claim is accepted.
    std::vector<net::Stream*> proving_;
    async::Event stop_;
    async::TaskGroup tasks_;
    bool stopping_ = false;
};

}  // namespace decloud::node
