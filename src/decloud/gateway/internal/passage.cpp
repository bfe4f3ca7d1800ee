#include "passage.hpp"

#include "alias_origin.hpp"
#include "refusals.hpp"
#include "response_guard.hpp"

#include <decloud/async/contained.hpp>
#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/net/error.hpp>
#include <decloud/net/forwarding.hpp>
#include <decloud/net/websocket/handshake.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include <span>
#include <utility>
#include <variant>

namespace decloud::gateway::internal {

namespace {

namespace asio = boost::asio;

using net::http::ClientRequest;
using net::http::ClientResponse;
using net::http::Headers;
using net::http::ResponseHead;
using protocol::Problem;

constexpr std::size_t kBufferBytes = std::size_t{64} * 1024;
constexpr std::string_view kRequestIdHeader = "X-Decloud-Request-Id";
constexpr std::string_view kProviderHeader = "X-Decloud-Provider";
constexpr std::size_t kRequestIdBytes = 16;

double milliseconds_since(std::chrono::steady_clock::time_point then) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - then)
        .count();
}

/// RFC 9110 §7.6.3: elements are `protocol received-by (comment)`.
bool names_pseudonym(std::string_view via, std::string_view pseudonym) {
    while (!via.empty()) {
        const std::size_t end = std::min(via.find(','), via.size());
        std::string_view element = via.substr(0, end);
        via.remove_prefix(std::min(end + 1, via.size()));
        element.remove_prefix(std::min(element.find_first_not_of(" \t"), element.size()));
        element.remove_prefix(std::min(element.find_first_of(" \t"), element.size()));
        element.remove_prefix(std::min(element.find_first_not_of(" \t"), element.size()));
        if (element.substr(0, element.find_first_of(" \t")) == pseudonym) {
            return true;
        }
    }
    return false;
}

}  // namespace

Passage::Passage(ProxyState& proxy, net::http::Exchange exchange)
    : proxy_(proxy),
      exchange_(std::make_shared<net::http::Exchange>(std::move(exchange))),
      id_(to_hex(crypto::random_bytes(kRequestIdBytes))),
      headers_(request().headers),
      record_("gateway",
          proxy.settings().records,
          net::continue_trace(headers_, proxy.settings().records.traces)) {
    record_.set_request_id(id_);
}

async::Task<void> Passage::run() {
    auto outcome = co_await serve();
    if (!outcome && !exchange_->answered()) {
        co_await refuse(std::move(outcome.error()));
    }
    record_.set_status(status_);
}

async::Task<Passage::Outcome> Passage::serve() {
    auto route = find_route(request(), proxy_.settings().domain);
    if (!route) {
        co_return std::unexpected(std::move(route.error()));
    }
    if (std::holds_alternative<HealthRoute>(*route)) {
        co_return co_await answer_health();
    }
    if (std::holds_alternative<ReadyRoute>(*route)) {
        co_return co_await answer_readiness();
    }
    if (auto entered = enter(proxy_.limiter().enter_address(exchange_->peer())); !entered) {
        co_return entered;
    }
    target_ = origin_form(request().target);
    if (auto* const to_provider = std::get_if<ProviderRoute>(&*route)) {
        co_return co_await serve_provider(std::move(*to_provider));
    }
    if (auto* const to_cid = std::get_if<CidRoute>(&*route)) {
        co_return co_await serve_cid(std::move(*to_cid));
    }
    co_return co_await serve_alias(std::move(std::get<AliasRoute>(*route)));
}

Passage::Outcome Passage::enter(protocol::Checked<RequestLimiter::Place> place) {
    if (!place) {
        return std::unexpected(std::move(place.error()));
    }
    if (*place) {
        places_.push_back(std::move(*place));
    }
    return {};
}

Passage::Outcome Passage::check_payer(const Address& provider) {
    payer_ = proxy_.limiter().payer(request().headers, provider);
    return payer_ ? proxy_.limiter().check_payer(*payer_) : Outcome{};
}

void Passage::count_payer(const ResponseHead& head) {
    constexpr int kFirstError = 400;
    if (payer_ && (head.status < kFirstError || head.headers.contains("X-Decloud-Receipt"))) {
        proxy_.limiter().count_payer(*payer_);
    }
}

Passage::Outcome Passage::admit(std::string_view provider) const {
    if (const auto& bar = proxy_.settings().bar) {
        if (auto open = bar(target_, provider); !open) {
            return std::unexpected(std::move(open.error()));
        }
    }
    if (proxy_.is_overfull()) {
        return std::unexpected(busy_problem());
    }
    if (came_from_here()) {
        return std::unexpected(loop_problem());
    }
    if (exchange_->content_length().value_or(0) > proxy_.settings().max_body_bytes) {
        return std::unexpected(body_problem(CommonError::limit_exceeded));
    }
    return {};
}

async::Task<Passage::Outcome> Passage::serve_provider(ProviderRoute route) {
    if (auto admitted = admit(route.name.full()); !admitted) {
        co_return std::unexpected(std::move(admitted.error()));
    }
    auto provider = co_await proxy_.source().find(route.name);
    if (!provider) {
        log::debug("gateway", "{}", provider.error().message());
        co_return std::unexpected(source_problem(route.name, provider.error()));
    }
    shared_prefix_ = std::move(route.shared_prefix);
    auto entered = enter(proxy_.limiter().enter_deployment(target_, shared_prefix_));
    if (entered) {
        entered = check_payer(provider->address);
    }
    if (!entered) {
        co_return entered;
    }
    co_return co_await forward(std::move(*provider));
}

async::Task<Passage::Outcome> Passage::answer_health() {
    co_await answer_text(200, "ok\n");
    co_return Outcome{};
}

async::Task<Passage::Outcome> Passage::answer_readiness() {
    if (const auto ready = proxy_.ready(); !ready) {
        co_return std::unexpected(not_ready_problem(ready.error()));
    }
    co_await answer_text(200, "ready\n");
    co_return Outcome{};
}

async::Task<void> Passage::answer_text(int status, std::string text) {
    status_ = status;
    ResponseHead head{
        status, {}, {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}}};
    (void)co_await exchange_->send(std::move(head), std::move(text));
}

async::Task<void> Passage::refuse(Problem problem) {
    status_ = problem.http_status;
    ResponseHead head{problem.http_status, {},
        {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"},
            {"OpenCloud-Status", protocol::to_string(problem.status)}}};
    for (const auto& [name, value] : problem.headers) {
        head.headers.add(name, value);
    }
    sign_head(head);
    (void)co_await exchange_->send(std::move(head), protocol::problem_json(problem));
}

bool Passage::came_from_here() const {
    for (const Headers::Field field : request().headers) {
        if (equals_ignoring_case(field.name, "Via") &&
            names_pseudonym(field.value, proxy_.pseudonym())) {
            return true;
        }
    }
    return false;
}

void Passage::sign_head(ResponseHead& head) const {
    head.headers.set(kRequestIdHeader, id_);
    head.headers.remove(kProviderHeader);
    std::string timing = fmt::format("gateway;dur={:.1f}", milliseconds_since(started_));
    if (!provider_.empty()) {
        head.headers.add(kProviderHeader, provider_);
        timing += fmt::format(", provider;dur={:.1f}", milliseconds_since(asked_));
    }
    head.headers.add("Server-Timing", timing);
}

Headers Passage::make_headers() const {
    Headers headers = headers_;
    net::strip_hop_by_hop(headers);
    headers.remove("Content-Length");
    if (!exchange_->expects_continue()) {
        headers.remove("Expect");
    }
    if (upgrade_) {
        headers.set("Upgrade", net::websocket::kProtocol);
    }
    headers.remove(kPreferHeader);
    headers.set(kRequestIdHeader, id_);
    net::set_forwarded(
        headers, {.client = exchange_->peer(),
                     .host = std::string(request().headers.find("Host").value_or("")),
                     .scheme = proxy_.settings().scheme});
    headers.add(
        "Via", fmt::format("{} {}", request().http_1_0 ? "1.0" : "1.1", proxy_.pseudonym()));
    return headers;
}

ClientRequest Passage::make_request() {
    const auto length = exchange_->content_length();
    upgrade_ = length == 0 && net::websocket::asks_for_websocket(request());
    ClientRequest out;
    out.method = request().method;
    out.target = target_;
    out.headers = make_headers();
    if (length != 0) {
        body_ = std::make_shared<RequestBody>(exchange_, proxy_.settings().max_body_bytes);
        out.body = RequestBody::as_source(body_);
    } else if (request().headers.contains("Content-Length")) {
        out.body = Bytes{};
    }
    return out;
}

async::Task<Passage::Outcome> Passage::begin_body() {
    if (body_ && !exchange_->content_length() && !exchange_->expects_continue()) {
        if (const auto begun = co_await RequestBody::begin(body_); !begun) {
            co_return std::unexpected(body_problem(begun.error()));
        }
    }
    co_return Outcome{};
}

async::Task<Passage::Outcome> Passage::forward(registry::Provider provider) {
    auto request = make_request();
    if (auto begun = co_await begin_body(); !begun) {
        co_return begun;
    }
    auto response = co_await ask(&provider, std::move(request));
    if (!response) {
        exchange_->abort();
        co_return Outcome{};
    }
    co_return co_await answer(&provider, &*response);
}

async::Task<Passage::Outcome> Passage::answer(
    const registry::Provider* provider, Result<ClientResponse>* result) {
    if (!*result) {
        co_return std::unexpected(why_no_answer(provider->name, result->error()));
    }
    ClientResponse* const response = &**result;
    count_payer(response->head());
    const auto hang_up = exchange_->hang_up().on_cancel([response] { response->abort(); });
    if (response->status() != 101) {
        co_return co_await pass_back(response);
    }
    if (!upgrade_) {
        co_return std::unexpected(provider_problem(
            provider->name, Error(make_error_code(net::NetError::malformed_message))));
    }
    co_return co_await pass_upgrade(provider->name, response);
}

async::Task<std::optional<Result<ClientResponse>>> Passage::ask(
    const registry::Provider* provider, ClientRequest request) {
    provider_ = provider->name.full();
    asked_ = std::chrono::steady_clock::now();
    std::optional<Result<ClientResponse>> response;
    const auto signal = std::make_shared<asio::cancellation_signal>();
    bool gone = false;
    const auto hang_up = exchange_->hang_up().on_cancel([signal, &gone] {
        gone = true;
        signal->emit(asio::cancellation_type::all);
    });
    if (gone) {
        co_return std::nullopt;
    }
    try {
        co_await asio::co_spawn(proxy_.executor(),
            async::contained([](ProxyState* proxy, registry::Provider to, ClientRequest what,
                                 std::optional<Result<ClientResponse>>* out) -> async::Task<void> {
                out->emplace(co_await proxy->ask(std::move(to), std::move(what)));
            }(&proxy_, *provider, std::move(request), &response)),
            asio::bind_cancellation_slot(signal->slot(), asio::use_awaitable));
    } catch (const boost::system::system_error&) {
        // Cancelled: the client has gone.
        gone = true;
    }
    if (gone) {
        co_return std::nullopt;
    }
    co_return response;
}

Problem Passage::why_no_answer(const identity::ProviderName& name, const Error& error) const {
    if (body_ && error == make_error_code(net::NetError::body_source_failed)) {
        return body_problem(body_->failure().value_or(error));
    }
    log::info("gateway", "{} does not answer: {}", name.full(), error.message());
    return provider_problem(name, error);
}

async::Task<Passage::Outcome> Passage::pass_back(ClientResponse* response) {
    ResponseHead head = response->head();
    net::strip_hop_by_hop(head.headers);
    guard_response(head.headers, shared_prefix_);
    if (!alias_prefix_.empty()) {
        give_origin(head.headers, alias_prefix_);
    }
    sign_head(head);
    status_ = head.status;
    auto started = co_await exchange_->start(std::move(head));
    if (!started) {
        if (started.error() == make_error_code(CommonError::invalid_input)) {
            co_return protocol::refuse(502, protocol::Status::server_error,
                "the provider's answer has a header that cannot be passed on");
        }
        co_return Outcome{};
    }
    if (!co_await pass_body(response)) {
        exchange_->abort();
        co_return Outcome{};
    }
    Headers trailers = response->trailers();
    guard_trailers(trailers);
    (void)co_await exchange_->finish(std::move(trailers));
    co_return Outcome{};
}

async::Task<bool> Passage::pass_body(ClientResponse* response) {
    if (response->content_length() == 0) {
        co_return true;
    }
    const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes);
    for (;;) {
        const auto got = co_await response->read({buffer.get(), kBufferBytes});
        if (!got) {
            log::info("gateway", "an answer was cut short: {}", got.error().message());
            co_return false;
        }
        if (*got == 0) {
            co_return true;
        }
        if (!co_await exchange_->write({buffer.get(), *got})) {
            co_return false;
        }
    }
}

async::Task<Passage::Outcome> Passage::pass_upgrade(
    identity::ProviderName name, ClientResponse* response) {
    ResponseHead head = response->head();
    net::strip_hop_by_hop(head.headers);
    guard_response(head.headers, {});
    head.headers.set("Upgrade", net::websocket::kProtocol);
    sign_head(head);
    auto provider = response->upgrade();
    if (!provider) {
        co_return std::unexpected(busy_problem());
    }
    auto client = co_await exchange_->upgrade(std::move(head));
    if (client) {
        status_ = 101;
        proxy_.relay(std::move(*client), std::move(*provider), std::exchange(places_, {}));
    } else if (!exchange_->answered()) {
        co_return std::unexpected(provider_problem(name, client.error()));
    }
    co_return Outcome{};
}

}  // namespace decloud::gateway::internal
