#include "edge.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/net/forwarding.hpp>
#include <decloud/payments/x402_message.hpp>
#include <decloud/protocol/payment_header.hpp>

#include <algorithm>
#include <utility>

namespace decloud::node {

using protocol::Checked;
using protocol::refuse;
using protocol::Status;

namespace {

/// The first segment of "/a/b…" and what follows it ("/b…" or "").
std::pair<std::string_view, std::string_view> first_segment(std::string_view path) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) {
        return {path, {}};
    }
    return {path.substr(0, slash), path.substr(slash)};
}

/// A cid in its usual forms is told from other words by its length and first letters.
bool looks_like_cid(std::string_view text) {
    return text.size() >= 32 &&
           (text.starts_with("b") || text.starts_with("Qm") || text.starts_with("z") ||
               text.starts_with("k") || text.starts_with("f") || text.starts_with("u"));
}

/// Whatever stands where a cid belongs is a malformed one, but for what browsers and crawlers look
/// for everywhere (/favicon.ico, no cid has a dot) and what this node serves elsewhere.
bool is_meant_as_cid(std::string_view text) {
    return !text.empty() && text.find('.') == std::string_view::npos && text != "metrics" &&
           text != "operator";
}

Checked<std::vector<std::string>> query_args(std::string_view query) {
    std::vector<std::string> args;
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view part = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        if (!part.starts_with("arg=")) {
            continue;
        }
        auto value = percent_decode(part.substr(4));
        if (!value) {
            return refuse(400, Status::bad_request, "an argument with a bad percent escape");
        }
        args.push_back(std::move(*value));
    }
    return args;
}

Checked<Route> opencloud_route(
    std::shared_ptr<protocol::Call> call, std::string_view rest, std::size_t prefix_size) {
    // rest is "/v1/service/method"
    const auto [version, after_version] = first_segment(rest.empty() ? "/" : rest);
    const auto [service, after_service] =
        first_segment(after_version.empty() ? "/" : after_version);
    const auto [method, after_method] = first_segment(after_service.empty() ? "/" : after_service);
    if (version != "v1" || service.empty() || method.empty() || !after_method.empty()) {
        return refuse(
            404, Status::bad_request, "an OpenCloud request is POST /oc/v1/{service}/{method}");
    }
    if (call->head.method != "POST") {
        return refuse(405, Status::bad_request, "an OpenCloud request is a POST");
    }
    auto args = query_args(call->head.query());
    if (!args) {
        return std::unexpected(std::move(args.error()));
    }
    call->service = service;
    call->method = method;
    call->args = std::move(*args);
    call->prefix = std::string(call->head.path().substr(0, prefix_size));
    return Route{.kind = Route::Kind::call, .call = std::move(call), .id = {}};
}

Checked<void> read_payment(protocol::Call& call) {
    auto x402 = payments::read_x402_headers(call.head.headers);
    if (!x402) {
        return refuse(400, Status::bad_request, x402.error().detail());
    }
    if (auto& payment = *x402) {
        call.payment = std::move(*payment);
        return {};
    }
    if (call.head.headers.count("OpenCloud-Payment") > 1) {
        return refuse(400, Status::bad_request, "more than one OpenCloud-Payment");
    }
    if (const auto field = call.head.headers.find("OpenCloud-Payment")) {
        auto payment = protocol::parse_payment_header(*field);
        if (!payment) {
            return refuse(400, Status::bad_request, payment.error().detail());
        }
        call.payment = std::move(*payment);
    }
    return {};
}

}  // namespace

std::unique_ptr<protocol::RequestRecord> begin_record(
    protocol::Call& call, protocol::RecordSettings settings) {
    auto record = std::make_unique<protocol::RequestRecord>(
        "provider", settings, net::continue_trace(call.head.headers, settings.traces));
    record->set_request_id(call.head.headers.find("X-Decloud-Request-Id").value_or(""));
    return record;
}

std::string client_key(const net::PeerAddress& peer) { return net::client_network(peer); }

std::string client_key(const net::http::RequestHead& head,
    const net::PeerAddress& peer,
    const EdgeSettings& settings) {
    const bool trusted =
        !peer.is_unix && std::ranges::find(settings.trusted_gateways, peer.ip.unmapped()) !=
                             settings.trusted_gateways.end();
    if (const auto field = trusted ? head.headers.find("Forwarded") : std::nullopt) {
        if (const auto client = net::forwarded_client(*field)) {
            net::PeerAddress forwarded;
            forwarded.ip = *client;
            return client_key(forwarded);
        }
    }
    return client_key(peer);
}

Checked<Route> route_request(
    const net::http::Exchange& exchange, const EdgeSettings& settings, const Clock& clock) {
    return route_request(exchange.request(), exchange.peer(), exchange.content_length(), settings,
        clock.unix_seconds());
}

Checked<Route> route_request(const net::http::RequestHead& head,
    const net::PeerAddress& peer,
    std::optional<std::uint64_t> content_length,
    const EdgeSettings& settings,
    UnixSeconds now) {
    const std::string_view path = head.path();
    if (path.empty() || path.front() != '/') {
        return refuse(404, Status::bad_request, "nothing is at " + std::string(path));
    }
    auto [segment, rest] = first_segment(path);
    std::size_t prefix_size = 0;
    if (segment == "p") {
        const auto [name, after] = first_segment(rest.empty() ? "/" : rest);
        if (name != settings.provider_name && name != settings.provider_short_name) {
            return refuse(404, Status::bad_request,
                "this is " + settings.provider_name + ", not \"" + std::string(name) + "\"");
        }
        prefix_size = 3 + name.size();
        std::tie(segment, rest) = first_segment(after.empty() ? "/" : after);
    }
    if (segment == "healthz" && rest.empty()) {
        return Route{.kind = Route::Kind::health, .call = {}, .id = {}};
    }
    if (segment == "readyz" && rest.empty()) {
        return Route{.kind = Route::Kind::ready, .call = {}, .id = {}};
    }
    if (segment == "receipts") {
        return Route{.kind = Route::Kind::receipt,
            .call = {},
            .id = std::string(rest.empty() ? rest : rest.substr(1))};
    }
    if (segment == ".well-known" && rest == "/decloud") {
        return Route{.kind = Route::Kind::well_known, .call = {}, .id = {}};
    }
    if (segment == "oc" && rest == "/v1/openapi.json" && head.method == "GET") {
        return Route{.kind = Route::Kind::openapi, .call = {}, .id = {}};
    }
    if (prefix_size == 0 && (segment == "ipfs" || segment == "ipns")) {
        return Route{.kind = Route::Kind::ipfs, .call = {}, .id = {}};
    }
    if (prefix_size == 0 && segment == "routing") {
        return Route{.kind = Route::Kind::routing, .call = {}, .id = {}};
    }
    auto call = std::make_shared<protocol::Call>();
    call->head = head;
    call->client = client_key(head, peer, settings);
    call->audience = settings.audience;
    call->content_length = content_length;
    call->received = now;
    if (auto read = read_payment(*call); !read) {
        return std::unexpected(std::move(read.error()));
    }
    if (segment == "oc") {
        return opencloud_route(std::move(call), rest, prefix_size);
    }
    if (!looks_like_cid(segment)) {
        return refuse(is_meant_as_cid(segment) ? 400 : 404, Status::bad_request,
            "\"" + std::string(segment) + "\" is not a content id; a call is /{cid}");
    }
    call->service = "compute";
    call->method = "call";
    call->args = {std::string(segment)};
    call->prefix = std::string(path.substr(0, prefix_size)) + "/" + std::string(segment);
    call->path_info = rest;
    return Route{.kind = Route::Kind::call, .call = std::move(call), .id = {}};
}

}  // namespace decloud::node
