#include "tunnels.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/net/channel_binding.hpp>
#include <decloud/net/websocket/handshake.hpp>

#include <algorithm>
#include <utility>

namespace decloud::gateway::internal {

namespace {

using net::http::Http2Requester;
using net::websocket::ByteStream;

constexpr std::size_t kClaimBytes = 8192;
/// How far a provider's clock may be ahead.
constexpr std::chrono::minutes kClockDifference{5};
/// How long tunnels that have nothing to do may take to end at the gateway's stop.
constexpr std::chrono::seconds kGoodbye{1};

async::Task<Result<void>> say(ByteStream* stream, json::Object message) {
    const std::string text = json::to_text(message);
    co_return co_await stream->write(as_bytes(text));
}

std::unexpected<Error> refused(std::string why) {
    return fail(CommonError::permission_denied, std::move(why));
}

async::Task<void> refuse(net::http::Exchange exchange, std::string why) {
    net::http::ResponseHead head{400, {}, {{"Content-Type", "text/plain; charset=utf-8"}}};
    (void)co_await exchange.send(std::move(head), why + "\n");
}

}  // namespace

Tunnels::Tunnels(async::Executor executor,
    registry::ProviderSource& source,
    const Clock& clock,
    TunnelSettings settings)
    : executor_(executor),
      source_(source),
      clock_(clock),
      settings_(std::move(settings)),
      tasks_(executor) {}

Tunnels::~Tunnels() = default;

bool Tunnels::is_meant(const net::http::RequestHead& request) const {
    return request.target == identity::kTunnelPath &&
           settings_.is_own_host(request.headers.find("Host").value_or(""));
}

async::Task<void> Tunnels::accept(net::http::Exchange exchange) {
    const auto& headers = exchange.request().headers;
    const auto key = headers.find("Sec-WebSocket-Key");
    const auto decoded = from_base64(key.value_or(""));
    const bool proper = exchange.request().method == "GET" &&
                        headers.has_token("Connection", "upgrade") &&
                        headers.has_token("Upgrade", "websocket") && decoded &&
                        decoded->size() == 16 && headers.find("Sec-WebSocket-Version") == "13" &&
                        headers.has_token("Sec-WebSocket-Protocol", identity::kTunnelProtocol);
    if (!proper) {
        co_await refuse(std::move(exchange), "this is where providers' tunnels begin");
        co_return;
    }
    if (stopping_ || tasks_.size() >= settings_.max_tunnels) {
        co_await refuse(std::move(exchange), "no more tunnels are taken");
        co_return;
    }
    std::string host(headers.find("Host").value_or(""));
    net::http::ResponseHead head{
        101, {}, {{"Upgrade", "websocket"}, {"Sec-WebSocket-Protocol", identity::kTunnelProtocol}}};
    head.headers.add("Sec-WebSocket-Accept", net::websocket::accept_value(key.value_or("")));
    auto stream = co_await exchange.upgrade(std::move(head));
    // A stream of HTTP/2 has no connection of its own that a claim could be bound to.
    if (stream && dynamic_cast<net::ChannelBinding*>(stream->get()) != nullptr) {
        tasks_.spawn(
            serve(std::make_unique<ByteStream>(std::move(*stream), net::websocket::Role::server),
                std::move(host)));
    }
}

async::Task<void> Tunnels::serve(std::unique_ptr<ByteStream> stream, std::string host) {
    claiming_.push_back(stream.get());
    const auto claim = co_await async::with_timeout(
        settings_.claim_timeout, hear_claim(stream.get(), std::move(host)));
    std::erase(claiming_, stream.get());
    if (!claim) {
        log::info("gateway", "a tunnel was refused: {}", claim.error().message());
        (void)co_await async::with_timeout(
            settings_.claim_timeout, say(stream.get(), {{"error", claim.error().detail()}}));
        co_return;
    }
    ByteStream* const bytes = stream.get();
    const auto link = std::make_shared<Http2Requester>(
        executor_, std::move(stream), settings_.client, settings_.http2, settings_.liveness);
    auto entered = enter(*claim, link);
    // What is said before `run` comes before the first frame.
    const json::Object answer =
        entered ? json::Object{{"ok", true}} : json::Object{{"error", entered.error().detail()}};
    const auto said = co_await async::with_timeout(settings_.claim_timeout, say(bytes, answer));
    if (entered) {
        log::info("gateway", "a tunnel of {} is open", claim->name);
        if (!said) {
            link->close();
        }
        // Somebody may have asked through it by now.
        co_await link->run();
        log::info("gateway", "a tunnel of {} has ended", claim->name);
        leave(claim->name, link);
    }
}

async::Task<Result<identity::TunnelClaim>> Tunnels::hear_claim(
    ByteStream* stream, std::string host) {
    identity::TunnelContext context{.host = std::move(host),
        .nonce = to_hex(crypto::random_bytes(32)),
        .exporter = stream->exporter(identity::kTunnelExporter)};
    CO_TRY_VOID(co_await say(stream, {{"nonce", context.nonce}}));
    CO_TRY(const Bytes message, co_await stream->read_message(kClaimBytes));
    CO_TRY(identity::TunnelClaim claim, identity::parse_tunnel_claim(as_text(message)));
    CO_TRY_VOID(co_await judge(claim, std::move(context)));
    co_return claim;
}

async::Task<Result<void>> Tunnels::judge(
    identity::TunnelClaim claim, identity::TunnelContext context) {
    CO_TRY(const auto name, identity::ProviderName::parse(claim.name));
    if (name.full() != claim.name) {
        co_return refused("the name has to be a full one");
    }
    // Milliseconds: when its process began.
    const auto latest = std::chrono::duration_cast<std::chrono::milliseconds>(
        (clock_.now() + kClockDifference).time_since_epoch());
    if (claim.epoch > static_cast<std::uint64_t>(latest.count())) {
        co_return refused("the claim's epoch is in the future: compare the clocks");
    }
    const auto provider = co_await source_.find(name);
    if (!provider) {
        co_return refused(claim.name + " is not registered, as far as is known here");
    }
    const auto key = identity::verify_delegation(claim.delegation,
        {.account = provider->address, .node = name.node(), .lowest_epoch = provider->lowest_epoch},
        clock_.unix_seconds(), settings_.domain);
    if (!key) {
        co_return refused("the delegation does not hold: " + key.error().message());
    }
    if (!identity::is_signed_by(claim, context, *key)) {
        co_return refused("the claim is not signed by the delegated key for this connection");
    }
    co_return Result<void>{};
}

Result<void> Tunnels::enter(
    const identity::TunnelClaim& claim, const std::shared_ptr<Http2Requester>& link) {
    if (stopping_) {
        return refused("the gateway stops");
    }
    const identity::Delegation& delegation = claim.delegation.fields;
    if (const auto found = owners_.find(claim.name); found != owners_.end()) {
        const Owner& old = found->second;
        const auto order =
            std::pair(delegation.epoch, claim.epoch) <=> std::pair(old.delegation_epoch, old.epoch);
        if (order > 0 || old.account != delegation.account || has_expired(old)) {
            drop(claim.name);
        } else if (order < 0) {
            return refused("a newer process has the name");
        }
    }
    Owner& owner = owners_
                       .try_emplace(claim.name, Owner{.account = delegation.account,
                                                    .delegation_epoch = delegation.epoch,
                                                    .expires = delegation.expires,
                                                    .epoch = claim.epoch,
                                                    .links = {}})
                       .first->second;
    if (owner.links.size() >= settings_.max_per_name) {
        return refused("there are as many tunnels of this name as may be");
    }
    owner.expires = std::min(owner.expires, delegation.expires);
    owner.links.push_back(link);
    ++count_;
    if (left_of_window().count() > 0) {
        returned_.insert(claim.name);
    }
    if (const auto awaited = awaited_.extract(claim.name)) {
        awaited.mapped()->set();
    }
    return {};
}

bool Tunnels::has_expired(const Owner& owner) const {
    return clock_.unix_seconds().value >= owner.expires;
}

void Tunnels::drop(const std::string& name) {
    const auto owner = owners_.extract(name);
    count_ -= owner.mapped().links.size();
    for (const auto& link : owner.mapped().links) {
        link->close();
    }
}

void Tunnels::leave(const std::string& name, const std::shared_ptr<Http2Requester>& link) {
    const auto found = owners_.find(name);
    if (found == owners_.end()) {
        return;
    }
    count_ -= std::erase(found->second.links, link);
    if (found->second.links.empty()) {
        owners_.erase(found);
    }
}

std::shared_ptr<Http2Requester> Tunnels::find(const registry::Provider& provider) {
    const std::string& name = provider.name.full();
    const auto found = owners_.find(name);
    std::shared_ptr<Http2Requester> best;
    if (found == owners_.end()) {
        return best;
    }
    const Owner& owner = found->second;
    if (owner.account != provider.address || owner.delegation_epoch < provider.lowest_epoch ||
        has_expired(owner)) {
        log::info("gateway", "the tunnels of {} end: their delegation does not hold", name);
        drop(name);
        return best;
    }
    for (const auto& link : owner.links) {
        if (!link->ended() && (!best || link->active() < best->active())) {
            best = link;
        }
    }
    return best;
}

std::chrono::steady_clock::duration Tunnels::left_of_window() const {
    return began_ + settings_.return_window - std::chrono::steady_clock::now();
}

bool Tunnels::may_come_back(const registry::Provider& provider) const {
    return !stopping_ && left_of_window().count() > 0 &&
           !returned_.contains(provider.name.full()) && settings_.is_own_name(provider.url.host);
}

async::Task<void> Tunnels::await_return(registry::Provider provider) {
    if (!may_come_back(provider)) {
        co_return;
    }
    const std::string& name = provider.name.full();
    std::shared_ptr<async::Event> event = awaited_[name];
    if (!event) {
        event = std::make_shared<async::Event>(executor_);
        awaited_[name] = event;
    }
    (void)co_await event->wait(left_of_window());
}

async::Task<void> Tunnels::stop() {
    stopping_ = true;
    for (const auto& [name, event] : std::exchange(awaited_, {})) {
        event->set();
    }
    for (net::Stream* const stream : claiming_) {
        stream->close();
    }
    for (const auto& [name, owner] : owners_) {
        for (const auto& link : owner.links) {
            link->drain();
        }
    }
    const auto end = std::chrono::steady_clock::now() + kGoodbye;
    while (!owners_.empty() && std::chrono::steady_clock::now() < end) {
        co_await async::delay(std::chrono::milliseconds(10));
    }
    for (const auto& [name, owner] : owners_) {
        for (const auto& link : owner.links) {
            link->close();
        }
    }
    co_await tasks_.join();
}

}  // namespace decloud::gateway::internal
