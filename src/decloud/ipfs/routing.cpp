#include "routing.hpp"

#include "internal/headers.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/ascii.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/hash.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

namespace decloud::ipfs {

namespace {

constexpr std::string_view kBase = "/routing/v1/";
constexpr std::string_view kRecordType = "application/vnd.ipfs.ipns-record";
constexpr std::string_view kLinesType = "application/x-ndjson";
constexpr std::string_view kProtocol = "transport-ipfs-gateway-http";
constexpr std::size_t kMaxFilters = 64;
/// Of what is held now, and of what may be held in a moment.
constexpr std::string_view kFoundAge =
    "public, max-age=300, stale-while-revalidate=172800, stale-if-error=172800";
constexpr std::string_view kAbsentAge = "public, max-age=15";
constexpr std::uint64_t kUnstatedAge = 60;

/// The words of a list in a query: nothing if it is not there.
Answered<std::vector<std::string>> list_of(std::string_view query, std::string_view name) {
    std::vector<std::string> out;
    for (const auto part : std::views::split(query, '&')) {
        const std::string_view field(part.begin(), part.end());
        if (!field.starts_with(name) || !field.substr(name.size()).starts_with('=')) {
            continue;
        }
        const auto value = percent_decode(field.substr(name.size() + 1));
        if (!value) {
            return refuse(422, "a query with a bad percent escape");
        }
        for (const auto word : std::views::split(*value, ',')) {
            if (out.size() == kMaxFilters) {
                return refuse(422, fmt::format("more than {} words in {}", kMaxFilters, name));
            }
            if (!word.empty()) {
                out.push_back(to_lower(std::string_view(word.begin(), word.end())));
            }
        }
    }
    return out;
}

bool accepts(const net::http::RequestHead& head, std::string_view type) {
    return std::ranges::any_of(head.headers.all("Accept"),
        [type](std::string_view field) { return to_lower(field).find(type) != std::string::npos; });
}

Answered<multiformats::IpnsName> read_name(std::string_view text) {
    auto name = multiformats::IpnsName::parse(text);
    if (!name) {
        return refuse(422, fmt::format("{:?} is no name of a key", std::string(text)));
    }
    return std::move(*name);
}

Answered<RoutingRequest> read_subject(
    std::string_view kind, std::string_view key, const net::http::RequestHead& head) {
    if (kind == "providers") {
        auto cid = multiformats::Cid::parse(key);
        if (!cid) {
            return refuse(422, fmt::format("{:?} is no content id", std::string(key)));
        }
        return RoutingRequest{.what = RoutingRequest::Providers{std::move(*cid)}};
    }
    if (kind != "peers" && kind != "ipns") {
        return refuse(400, "nothing is at this path");
    }
    auto name = read_name(key);
    if (!name) {
        return std::unexpected(std::move(name.error()));
    }
    if (kind == "peers") {
        return RoutingRequest{.what = RoutingRequest::Peers{std::move(*name)}};
    }
    const bool is_open =
        head.method == "PUT" || !head.headers.find("Accept") || accepts(head, "*/*");
    if (!is_open && !accepts(head, kRecordType)) {
        return refuse(406, fmt::format("ask with \"Accept: {}\"", kRecordType));
    }
    return RoutingRequest{.what = RoutingRequest::Ipns{std::move(*name)}};
}

bool has_component(std::string_view address, std::string_view name) {
    return std::ranges::any_of(std::views::split(address, '/'),
        [name](const auto part) { return std::string_view(part.begin(), part.end()) == name; });
}

bool keeps(std::string_view address, const std::vector<std::string>& filters) {
    bool wanted = std::ranges::all_of(filters, [](const auto& word) { return word[0] == '!'; });
    for (const std::string& word : filters) {
        if (word.starts_with('!') && has_component(address, std::string_view(word).substr(1))) {
            return false;
        }
        wanted = wanted || has_component(address, word);
    }
    return wanted;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

json::Object to_json(const PeerRecord& peer) {
    json::Object out;
    out["Schema"] = "peer";
    out["ID"] = peer.id;
    out["Addrs"] = json::Array(peer.addresses.begin(), peer.addresses.end());
    out["Protocols"] = json::Array{kProtocol};
    return out;
}

/// What is sent: a head, and a body that it describes.
struct Reply {
    net::http::ResponseHead head;
    Bytes body;
};

Reply reply(int status, std::string_view type, std::string_view age, std::string_view text) {
    Reply out;
    out.head.status = status;
    out.head.headers.add("Content-Type", type);
    out.head.headers.add("Cache-Control", age);
    out.head.headers.add("Vary", "Accept");
    const BytesView bytes = as_bytes(text);
    out.body.assign(bytes.begin(), bytes.end());
    return out;
}

Reply reply_peer(
    const std::optional<PeerRecord>& peer, std::string_view member, const RoutingRequest& request) {
    const std::string_view age = peer ? kFoundAge : kAbsentAge;
    if (request.streamed) {
        return reply(200, kLinesType, age, peer ? json::to_text(to_json(*peer)) + "\n" : "");
    }
    json::Array rows;
    if (peer) {
        rows.push_back(to_json(*peer));
    }
    return reply(200, "application/json", age,
        json::to_text(json::Object{{member, std::move(rows)}}) + "\n");
}

/// Finds answers in what is held. Reads the disk.
class Finder {
  public:
    Finder(const GatewayContext& context,
        const PublicBlocks& blocks,
        const PeerRecord& self,
        const RoutingRequest& request)
        : context_(context), blocks_(blocks), self_(self), request_(request) {}

    Reply operator()(const RoutingRequest::Providers& wanted) const {
        // What is in the id itself is provided by nobody; what is denied, not here.
        const bool held = wanted.cid.hash().code() != multiformats::HashCode::identity &&
                          blocks_.has(wanted.cid).value_or(false);
        return reply_peer(
            held ? filter_peer(self_, request_) : std::nullopt, "Providers", request_);
    }

    Reply operator()(const RoutingRequest::Peers& wanted) const {
        const auto own = multiformats::IpnsName::parse(self_.id);
        const bool is_self = own && *own == wanted.id;
        return reply_peer(is_self ? filter_peer(self_, request_) : std::nullopt, "Peers", request_);
    }

    Reply operator()(const RoutingRequest::Ipns& wanted) const {
        const UnixSeconds now = context_.clock.unix_seconds();
        const auto held = context_.records.find(wanted.name, now).value_or(std::nullopt);
        if (!held) {
            return reply(404, "text/plain; charset=utf-8", kAbsentAge,
                "no valid record of this name is held here\n");
        }
        const multiformats::IpnsRecord& record = held->record;
        const auto stated = static_cast<std::uint64_t>(record.ttl.count());
        const std::uint64_t age =
            std::min(stated == 0 ? kUnstatedAge : stated, record.valid_until.value - now.value);
        Reply out = reply(200, kRecordType, fmt::format("public, max-age={}", age), "");
        const auto digest = crypto::sha256(held->bytes);
        out.head.headers.add("Etag", "\"" + to_hex(BytesView(digest).first(16)) + "\"");
        out.body = held->bytes;
        return out;
    }

  private:
    const GatewayContext& context_;
    const PublicBlocks& blocks_;
    const PeerRecord& self_;
    const RoutingRequest& request_;
};

Reply reply_text(int status, std::string_view text) {
    return reply(status, "text/plain; charset=utf-8", "no-store", std::string(text) + "\n");
}

/// Of a record that was brought.
Reply reply_put(const Result<void>& kept) {
    if (kept) {
        return reply_text(200, "kept");
    }
    const Error& error = kept.error();
    if (error == make_error_code(CommonError::not_found)) {
        return reply_text(403, error.message());
    }
    if (error == make_error_code(CommonError::conflict)) {
        return reply_text(409, error.message());
    }
    const bool is_theirs = error == make_error_code(CommonError::invalid_input) ||
                           error == make_error_code(CommonError::permission_denied) ||
                           error == make_error_code(CommonError::limit_exceeded);
    return is_theirs ? reply_text(400, error.message())
                     : reply_text(500, "the record could not be kept");
}

async::Task<Reply> take_record(
    net::http::Exchange* exchange, const GatewayContext* context, multiformats::IpnsName name) {
    const auto record = co_await exchange->read_all(multiformats::kMaxIpnsRecord);
    if (!record) {
        co_return reply_text(400, "a record has at most 10 KiB");
    }
    const auto kept = co_await async::offload(context->pool,
        [&] { return context->records.replace(name, *record, context->clock.unix_seconds()); });
    co_return reply_put(kept);
}

void add_cors(net::http::Headers& headers) {
    headers.add("Access-Control-Allow-Origin", "*");
    headers.add("Access-Control-Allow-Methods", "GET, PUT, OPTIONS");
    headers.add("Access-Control-Allow-Headers", "Accept, Content-Type");
    headers.add("X-Content-Type-Options", "nosniff");
}

}  // namespace

std::string peer_id(const crypto::Ed25519PublicKey& key) {
    // An identity multihash of libp2p's PublicKey message: type Ed25519, data.
    constexpr std::array<std::uint8_t, 6> kHead = {0x00, 0x24, 0x08, 0x01, 0x12, 0x20};
    Bytes bytes(kHead.begin(), kHead.end());
    const BytesView view = key.view();
    bytes.insert(bytes.end(), view.begin(), view.end());
    return multiformats::encode_digits(multiformats::Multibase::base58btc, bytes);
}

Answered<RoutingRequest> parse_routing_request(const net::http::RequestHead& head) {
    std::string_view path = head.path();
    const bool is_put = head.method == "PUT" && path.starts_with("/routing/v1/ipns/");
    if (!is_put && head.method != "GET" && head.method != "HEAD") {
        return refuse(501, "nothing but IPNS records is published by requests here");
    }
    if (!path.starts_with(kBase)) {
        return refuse(400, "nothing is at this path");
    }
    path.remove_prefix(kBase.size());
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view key = path.substr(std::min(slash + 1, path.size()));
    auto request = read_subject(path.substr(0, slash), key, head);
    if (!request) {
        return request;
    }
    auto addresses = list_of(head.query(), "filter-addrs");
    auto protocols = list_of(head.query(), "filter-protocols");
    if (!addresses || !protocols) {
        return std::unexpected(std::move(!addresses ? addresses.error() : protocols.error()));
    }
    request->address_filters = std::move(*addresses);
    request->protocol_filters = std::move(*protocols);
    request->streamed = accepts(head, kLinesType);
    request->is_put = is_put;
    return request;
}

std::optional<PeerRecord> filter_peer(PeerRecord peer, const RoutingRequest& request) {
    if (peer.addresses.empty()) {
        return std::nullopt;
    }
    const auto& protocols = request.protocol_filters;
    if (!protocols.empty() && !contains(protocols, kProtocol)) {
        return std::nullopt;
    }
    const auto& filters = request.address_filters;
    if (!filters.empty()) {
        std::erase_if(
            peer.addresses, [&filters](const auto& each) { return !keeps(each, filters); });
    }
    return peer.addresses.empty() ? std::nullopt : std::optional(std::move(peer));
}

async::Task<void> answer_routing(
    net::http::Exchange exchange, const GatewayContext& context, const PeerRecord& self) {
    if (exchange.request().method == "OPTIONS") {
        net::http::ResponseHead head;
        head.status = 204;
        add_cors(head.headers);
        (void)co_await exchange.send(std::move(head), std::string());
        co_return;
    }
    const auto request = parse_routing_request(exchange.request());
    Reply out;
    if (request && request->is_put) {
        out = co_await take_record(
            &exchange, &context, std::get<RoutingRequest::Ipns>(request->what).name);
    } else if (request) {
        const PublicBlocks blocks(context.blocks, context.visibility());
        out = co_await async::offload(context.pool,
            [&] { return std::visit(Finder(context, blocks, self, *request), request->what); });
    } else {
        out = reply_text(request.error().status, request.error().detail);
    }
    add_cors(out.head.headers);
    (void)co_await exchange.send(std::move(out.head), std::move(out.body));
}

}  // namespace decloud::ipfs
