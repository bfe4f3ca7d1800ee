#include "tunnel.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/tunnel_claim.hpp>
#include <decloud/net/error.hpp>
#include <decloud/net/websocket/byte_stream.hpp>
#include <decloud/net/websocket/handshake.hpp>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <utility>

namespace decloud::node {

namespace {

using net::websocket::ByteStream;

constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{10'000};
/// At how much there is to do.
constexpr std::chrono::milliseconds kBetweenLooks{250};
constexpr std::chrono::milliseconds kClaimTimeout{10'000};
constexpr std::size_t kMessageBytes = 4096;

std::uint64_t new_epoch() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch())
            .count());
}

/// Half of it, and up to as much again.
std::chrono::milliseconds jittered(std::chrono::milliseconds pause) {
    const Bytes random = crypto::random_bytes(2);
    const auto part = (std::uint64_t{random[0]} << 8U | random[1]) % 1000;
    return pause / 2 + pause * part / 2000;
}

async::Task<Result<json::Object>> hear(ByteStream* stream) {
    CO_TRY(const Bytes text, co_await stream->read_message(kMessageBytes));
    CO_TRY(const json::Value value,
        json::parse(as_text(text), {.max_bytes = kMessageBytes, .max_depth = 4}));
    if (!value.is_object()) {
        co_return fail(net::NetError::malformed_message, "the gateway said no JSON object");
    }
    co_return value.get_object();
}

async::Task<Result<std::unique_ptr<ByteStream>>> dial(net::http::Client* client, net::Url gateway) {
    const std::string key = to_base64(crypto::random_bytes(16));
    net::http::ClientRequest request;
    request.target = identity::kTunnelPath;
    request.headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"},
        {"Sec-WebSocket-Key", key}, {"Sec-WebSocket-Protocol", identity::kTunnelProtocol}};
    CO_TRY(auto response, co_await client->request(std::move(gateway), std::move(request)));
    if (response.status() != 101 ||
        response.head().headers.find("Sec-WebSocket-Accept") != net::websocket::accept_value(key)) {
        co_return fail(
            net::NetError::malformed_message, "the gateway takes no tunnels at this address");
    }
    CO_TRY(auto stream, response.upgrade());
    co_return std::make_unique<ByteStream>(std::move(stream), net::websocket::Role::client);
}

/// `claim` is signed for this connection.
async::Task<Result<void>> prove(ByteStream* stream,
    std::string host,
    identity::TunnelClaim claim,
    const crypto::Ed25519PrivateKey* key) {
    CO_TRY(const json::Object challenge, co_await hear(stream));
    CO_TRY(std::string nonce, json::string_member(challenge, "nonce"));
    identity::sign_tunnel_claim(claim,
        {.host = std::move(host),
            .nonce = std::move(nonce),
            .exporter = stream->exporter(identity::kTunnelExporter)},
        *key);
    const std::string text = identity::format_tunnel_claim(claim);
    CO_TRY_VOID(co_await stream->write(as_bytes(text)));
    CO_TRY(const json::Object answer, co_await hear(stream));
    if (answer.contains("error")) {
        CO_TRY(const std::string why, json::string_member(answer, "error"));
        co_return fail(CommonError::permission_denied, why);
    }
    co_return Result<void>{};
}

}  // namespace

TunnelKeeper::TunnelKeeper(async::Executor executor,
    std::vector<net::Url> gateways,
    const NodeIdentity& identity,
    net::http::ServerSettings server,
    net::http::Handler handler)
    : executor_(executor),
      identity_(identity),
      server_(std::move(server)),
      handler_(std::move(handler)),
      client_(executor, {}, net::OutboundPolicy::trusted()),
      epoch_(new_epoch()),
      instance_(to_hex(crypto::random_bytes(16))),
      stop_(executor),
      tasks_(executor) {
    server_.http2 = net::http::shared_link_settings();
    for (net::Url& gateway : gateways) {
        tunnels_.push_back(std::make_shared<Tunnel>(Tunnel{.gateway = std::move(gateway)}));
    }
}

TunnelKeeper::~TunnelKeeper() = default;

async::Task<void> TunnelKeeper::run() {
    for (const auto& tunnel : tunnels_) {
        tasks_.spawn(keep(tunnel));
        tasks_.spawn(follow_load(tunnel));
    }
    co_await tasks_.join();
}

async::Task<void> TunnelKeeper::keep(std::shared_ptr<Tunnel> tunnel) {
    auto pause = kFirstPause;
    while (!stopping_) {
        const auto opened = std::make_shared<bool>(false);
        const auto ended = co_await open_once(tunnel, false, opened);
        if (stopping_) {
            break;
        }
        log::warning("tunnel", "no tunnel to {}: {}", tunnel->gateway.authority(),
            ended ? std::string("it has ended") : ended.error().message());
        pause = *opened ? kFirstPause : std::min(pause * 2, kLongestPause);
        (void)co_await stop_.wait(jittered(pause));
    }
}

async::Task<void> TunnelKeeper::follow_load(std::shared_ptr<Tunnel> tunnel) {
    while (!stopping_) {
        (void)co_await stop_.wait(kBetweenLooks);
        std::size_t connections = tunnel->opening;
        std::size_t requests = 0;
        for (const Connection& one : tunnel->connections) {
            connections += one.draining ? 0 : 1;
            requests += one.link->active();
        }
        const auto advice =
            tunnel->demand.judge(connections, requests, std::chrono::steady_clock::now());
        if (stopping_) {
            break;
        }
        if (advice == TunnelDemand::Advice::open_one) {
            tasks_.spawn(add_connection(tunnel));
        } else if (advice == TunnelDemand::Advice::close_one) {
            remove_connection(*tunnel);
        }
    }
}

async::Task<void> TunnelKeeper::add_connection(std::shared_ptr<Tunnel> tunnel) {
    const auto opened = std::make_shared<bool>(false);
    const auto ended = co_await open_once(tunnel, true, opened);
    if (!stopping_ && !*opened) {
        log::info("tunnel", "no further connection to {}: {}", tunnel->gateway.authority(),
            ended ? std::string("it has ended") : ended.error().message());
        tunnel->demand.failed(std::chrono::steady_clock::now());
    }
}

void TunnelKeeper::remove_connection(Tunnel& tunnel) {
    const auto found = std::ranges::find_if(
        tunnel.connections, [](const Connection& one) { return one.additional && !one.draining; });
    if (found != tunnel.connections.end()) {
        found->draining = true;
        found->link->drain();
    }
}

async::Task<Result<void>> TunnelKeeper::open_once(
    std::shared_ptr<Tunnel> tunnel, bool additional, std::shared_ptr<bool> opened) {
    ++tunnel->opening;
    auto stream = co_await prove_once(tunnel->gateway);
    --tunnel->opening;
    if (!stream) {
        co_return std::unexpected(std::move(stream.error()));
    }
    if (stopping_) {
        co_return Result<void>{};
    }
    *opened = true;
    log::info("tunnel", "{} is reached through {}{}", identity_.provider_name,
        tunnel->gateway.authority(), additional ? ", by one more connection" : "");
    // Who asks is in Forwarded; the gateway's own address is of no use.
    const auto link = std::make_shared<net::http::Http2Responder>(executor_, std::move(*stream),
        net::PeerAddress{}, server_, handler_, net::http::Liveness{});
    tunnel->connections.push_back({.link = link, .additional = additional});
    co_await link->run();
    std::erase_if(tunnel->connections, [&](const Connection& one) { return one.link == link; });
    co_return Result<void>{};
}

async::Task<Result<std::unique_ptr<ByteStream>>> TunnelKeeper::prove_once(net::Url gateway) {
    if (!identity_.delegation) {
        co_return fail(CommonError::invalid_input, "there is no delegation");
    }
    CO_TRY(auto stream, co_await dial(&client_, gateway));
    identity::TunnelClaim claim{.name = identity_.provider_name,
        .epoch = epoch_,
        .instance = instance_,
        .delegation = *identity_.delegation,
        .signature = {}};
    proving_.push_back(stream.get());
    const auto proved = co_await async::with_timeout(
        kClaimTimeout, prove(stream.get(), gateway.authority(), std::move(claim), &identity_.key));
    std::erase(proving_, stream.get());
    CO_TRY_VOID(proved);
    co_return std::move(stream);
}

bool TunnelKeeper::are_open() const {
    return std::ranges::any_of(
        tunnels_, [](const auto& tunnel) { return !tunnel->connections.empty(); });
}

async::Task<void> TunnelKeeper::stop(std::chrono::milliseconds grace) {
    stopping_ = true;
    stop_.set();
    for (net::Stream* const stream : proving_) {
        stream->close();
    }
    for_each_link(&net::http::Http2Responder::drain);
    const auto end = std::chrono::steady_clock::now() + grace;
    while (are_open() && std::chrono::steady_clock::now() < end) {
        co_await async::delay(std::chrono::milliseconds(20));
    }
    for_each_link(&net::http::Http2Responder::close);
    // Dialling ends with the client.
    co_await client_.stop();
    co_await tasks_.join();
}

void TunnelKeeper::for_each_link(void (net::http::Http2Responder::*action)()) {
    for (const auto& tunnel : tunnels_) {
        for (const Connection& one : tunnel->connections) {
            (one.link.get()->*action)();
        }
    }
}

}  // namespace decloud::node
