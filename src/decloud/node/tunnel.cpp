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
      gateways_(std::move(gateways)),
      identity_(identity),
      server_(std::move(server)),
      handler_(std::move(handler)),
      client_(executor, {}, net::OutboundPolicy::trusted()),
      epoch_(new_epoch()),
      instance_(to_hex(crypto::random_bytes(16))),
      stop_(executor),
      tasks_(executor) {
    server_.http2 = net::http::shared_link_settings();
}

TunnelKeeper::~TunnelKeeper() = default;

async::Task<void> TunnelKeeper::run() {
    for (const net::Url& gateway : gateways_) {
        tasks_.spawn(keep(gateway));
    }
    co_await tasks_.join();
}

async::Task<void> TunnelKeeper::keep(net::Url gateway) {
    auto pause = kFirstPause;
    while (!stopping_) {
        bool opened = false;
        const auto ended = co_await open_once(gateway, &opened);
        if (stopping_) {
            break;
        }
        log::warning("tunnel", "no tunnel to {}: {}", gateway.authority(),
            ended ? std::string("it has ended") : ended.error().message());
        pause = opened ? kFirstPause : std::min(pause * 2, kLongestPause);
        (void)co_await stop_.wait(jittered(pause));
    }
}

async::Task<Result<void>> TunnelKeeper::open_once(net::Url gateway, bool* opened) {
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
    if (!proved || stopping_) {
        co_return proved;
    }
    *opened = true;
    log::info("tunnel", "{} is reached through {}", identity_.provider_name, gateway.authority());
    // Who asks is in Forwarded; the gateway's own address is of no use.
    const auto link = std::make_shared<net::http::Http2Responder>(
        executor_, std::move(stream), net::PeerAddress{}, server_, handler_, net::http::Liveness{});
    open_.push_back(link);
    co_await link->run();
    std::erase(open_, link);
    co_return Result<void>{};
}

async::Task<void> TunnelKeeper::stop(std::chrono::milliseconds grace) {
    stopping_ = true;
    stop_.set();
    for (net::Stream* const stream : proving_) {
        stream->close();
    }
    for (const auto& link : open_) {
        link->drain();
    }
    const auto end = std::chrono::steady_clock::now() + grace;
    while (!open_.empty() && std::chrono::steady_clock::now() < end) {
        co_await async::delay(std::chrono::milliseconds(20));
    }
    for (const auto& link : open_) {
        link->close();
    }
    // Dialling ends with the client.
    co_await client_.stop();
    co_await tasks_.join();
}

}  // namespace decloud::node
