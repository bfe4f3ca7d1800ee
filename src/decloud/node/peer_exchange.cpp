#include "peer_exchange.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/json.hpp>
#include <decloud/base/log.hpp>
#include <decloud/identity/did_key.hpp>

#include <algorithm>
#include <utility>

namespace decloud::node {

namespace {

/// Asked at once, so often at the most, and so seldom at the least.
constexpr std::size_t kAtOnce = 8;
constexpr std::chrono::seconds kShortestPause{1};
constexpr std::chrono::seconds kLongestPause{5};
constexpr std::chrono::seconds kTimeout{10};
constexpr std::uint64_t kMaxAnswer = 1 * kMiB;
/// Of what one node tells of others.
constexpr std::size_t kMostHeard = 100;
constexpr std::uint64_t kRecordSeconds = 3600;
constexpr std::uint64_t kRenewSeconds = 600;

std::string normal(const std::string& url) {
    const auto parsed = net::parse_url(url);
    return parsed ? parsed->to_string() : url;
}

net::http::ClientSettings client_settings() {
    net::http::ClientSettings settings;
    settings.connect_timeout = kTimeout;
    settings.head_timeout = kTimeout;
    settings.idle_timeout = kTimeout;
    return settings;
}

}  // namespace

PeerExchange::PeerExchange(async::Executor executor,
    const Clock& clock,
    chain::EthereumClient& client,
    chain::HeadFollower& head,
    const NodeIdentity& identity,
    PeerSettings settings)
    : clock_(clock),
      identity_(identity),
      settings_(std::move(settings)),
      own_address_(normal(settings_.public_url)),
      book_(clock, identity::to_did_key(identity.key.public_key()), own_address_),
      context_{book_, clock, [this] { return self(); }, [this] { wake_.set(); }},
      client_(executor, client_settings(), settings_.policy),
      wake_(executor),
      directory_(executor, client, head, settings_.registry),
      catalogue_(executor,
          client,
          head,
          settings_.registry,
          directory_,
          {.first_block = settings_.first_block}),
      followed_(executor),
      asked_(std::move(executor)) {}

PeerExchange::~PeerExchange() = default;

Result<protocol::PeerRecord> PeerExchange::self() {
    const UnixSeconds now = clock_.unix_seconds();
    if (own_.text.empty() || own_.issued > now || own_.issued.value + kRenewSeconds <= now.value) {
        TRY(net::Url address, net::parse_url(own_address_));
        TRY(own_, protocol::sign_peer_record({.id = {},
                                                 .name = settings_.provider_name,
                                                 .addresses = {std::move(address)},
                                                 .services = settings_.services(),
                                                 .issued = now,
                                                 .expires = {now.value + kRecordSeconds}},
                      identity_.key));
    }
    return own_;
}

std::vector<net::Url> PeerExchange::registered() const {
    std::vector<net::Url> out;
    for (const registry::Provider& provider : *catalogue_.providers()) {
        net::Url url = provider.url;
        url.target = "/";
        out.push_back(std::move(url));
    }
    return out;
}

async::Task<void> PeerExchange::run() {
    followed_.spawn(directory_.run());
    followed_.spawn(catalogue_.run());
    for (;;) {
        wake_.reset();
        book_.suggest(settings_.configured);
        book_.suggest(registered());
        for (net::Url& address : book_.next(kAtOnce)) {
            asked_.spawn(ask(std::move(address)));
        }
        co_await asked_.join();
        co_await async::delay(kShortestPause);
        (void)co_await wake_.wait(kLongestPause);
    }
}

async::Task<void> PeerExchange::stop() {
    asked_.cancel();
    co_await asked_.join();
    co_await client_.stop();
    co_await directory_.stop();
    followed_.cancel();
    co_await followed_.join();
}

async::Task<Result<Bytes>> PeerExchange::post(
    net::Url address, std::string target, std::string body) {
    net::http::ClientRequest request;
    request.method = "POST";
    request.target = std::move(target);
    request.headers.add("Content-Type", "application/jwt");
    request.body = to_bytes(body);
    CO_TRY(auto response, co_await client_.request(std::move(address), std::move(request)));
    CO_TRY(Bytes text, co_await response.read_all(kMaxAnswer));
    if (response.status() != 200) {
        co_return fail(CommonError::unavailable, "it answers " + std::to_string(response.status()));
    }
    co_return text;
}

async::Task<void> PeerExchange::ask(net::Url address) {
    const auto text =
        co_await async::with_timeout(kTimeout, post(address, "/oc/v1/peers/list", {}));
    const auto value = text ? json::parse(as_text(*text), {.max_bytes = kMaxAnswer})
                            : Result<json::Value>(fail(text.error()));
    if (!value || !value->is_object()) {
        log::debug("peers", "{} tells no record: {}", address.to_string(),
            value ? "no JSON object" : value.error().message());
        book_.failed(address);
        co_return;
    }
    const UnixSeconds now = clock_.unix_seconds();
    const json::Object& answer = value->get_object();
    const auto theirs = json::string_member(answer, "self");
    auto record = theirs ? protocol::parse_peer_record(*theirs, now)
                         : Result<protocol::PeerRecord>(fail(theirs.error()));
    if (!record || !book_.saw(address, std::move(*record))) {
        log::debug("peers", "what {} tells is no record of its own", address.to_string());
        co_return;
    }
    const auto others = json::array_member(answer, "peers");
    for (std::size_t i = 0; others && i < std::min(others->size(), kMostHeard); ++i) {
        const auto* const entry = others->at(i).if_object();
        const auto named = entry != nullptr ? json::string_member(*entry, "record")
                                            : Result<std::string>(fail(CommonError::not_found));
        const auto other = named ? protocol::parse_peer_record(*named, now)
                                 : Result<protocol::PeerRecord>(fail(named.error()));
        if (other && book_.hear(other->addresses.front())) {
            wake_.set();
        }
    }
    if (const auto own = self()) {
        (void)co_await async::with_timeout(
            kTimeout, post(std::move(address), "/oc/v1/peers/announce", own->text));
    }
}

}  // namespace decloud::node
