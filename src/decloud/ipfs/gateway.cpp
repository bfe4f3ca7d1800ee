#include "gateway.hpp"

#include "internal/planner.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/crypto/hash.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

namespace decloud::ipfs {

namespace {

using internal::Conditions;
using internal::Plan;
using internal::Planner;
using internal::Target;

bool is_own(const Origin& origin) {
    return origin.kind == Origin::Kind::content || origin.kind == Origin::Kind::website;
}

void add_common(net::http::Headers& headers, bool is_shared) {
    internal::add_cors(headers);
    internal::add_isolation(headers, is_shared);
}

async::Task<void> send_refusal(net::http::Exchange exchange, Refusal refusal) {
    net::http::ResponseHead head;
    head.status = refusal.status;
    head.headers.add("Content-Type", "text/plain; charset=utf-8");
    head.headers.add("Cache-Control", "no-store");
    add_common(head.headers, true);
    if (refusal.retry_after) {
        head.headers.add("Retry-After", std::to_string(refusal.retry_after->count()));
    }
    if (refusal.status == 405) {
        head.headers.add("Allow", "GET, HEAD, OPTIONS");
    }
    (void)co_await exchange.send(std::move(head), refusal.detail + "\n");
}

async::Task<void> send_options(net::http::Exchange exchange) {
    net::http::ResponseHead head;
    head.status = 204;
    head.headers.add("Allow", "GET, HEAD, OPTIONS");
    add_common(head.headers, true);
    (void)co_await exchange.send(std::move(head), std::string());
}

async::Task<void> send_stream(
    net::http::Exchange exchange, Plan plan, boost::asio::thread_pool& pool) {
    const bool is_head = exchange.request().method == "HEAD";
    if (plan.length) {
        plan.head.headers.add("Content-Length", std::to_string(*plan.length));
    }
    if (!co_await exchange.start(std::move(plan.head))) {
        co_return;
    }
    while (!is_head) {
        const auto piece =
            co_await async::offload(pool, [stream = plan.stream.get()] { return stream->next(); });
        if (!piece) {
            // What has been sent is not all: the client has to see that.
            exchange.abort();
            co_return;
        }
        if (piece->empty()) {
            break;
        }
        if (!co_await exchange.write(*piece)) {
            co_return;
        }
    }
    (void)co_await exchange.finish();
}

async::Task<void> send_plan(
    net::http::Exchange exchange, Plan plan, bool is_shared, boost::asio::thread_pool& pool) {
    add_common(plan.head.headers, is_shared);
    if (plan.stream) {
        co_await send_stream(std::move(exchange), std::move(plan), pool);
    } else {
        (void)co_await exchange.send(std::move(plan.head), std::move(plan.body));
    }
}

Plan redirect(int status, std::string location) {
    Plan plan;
    plan.head.status = status;
    plan.head.headers.add("Location", location);
    return plan;
}

/// A record as it is, for who verifies by himself.
Answered<Plan> plan_record(const ContentRequest& request,
    const multiformats::IpnsName& name,
    const Conditions& conditions,
    const GatewayContext& context,
    UnixSeconds now) {
    const auto held = context.records.find(name, now).value_or(std::nullopt);
    if (!held) {
        return refuse(404, "no valid record of " + name.to_string() + " is held here");
    }
    const IpnsRecords::Held& found = *held;
    const auto digest = crypto::sha256(found.bytes);
    const std::string etag = "\"" + to_hex(BytesView(digest).first(16)) + ".ipns-record\"";
    Plan plan;
    net::http::Headers& headers = plan.head.headers;
    headers.add("Content-Type", "application/vnd.ipfs.ipns-record");
    headers.add("Etag", etag);
    const std::uint64_t age = std::min(static_cast<std::uint64_t>(found.record.ttl.count()),
        found.record.valid_until.value - now.value);
    headers.add("Cache-Control", "public, max-age=" + std::to_string(age));
    headers.add("Vary", "Accept");
    headers.add("X-Ipfs-Path", request.path);
    if (conditions.has_already(etag)) {
        plan.head.status = 304;
        return plan;
    }
    headers.add("Content-Disposition",
        internal::disposition(
            true, request.filename.empty() ? request.name + ".ipns-record" : request.filename));
    plan.body = found.bytes;
    return plan;
}

std::string with_query(std::string path, const ContentRequest& request) {
    return request.query.empty() ? path : path + "?" + request.query;
}

/// The path below the cid or name, as sent; at least a slash.
std::string path_below(const ContentRequest& request) {
    const std::size_t rest = request.path.find('/', sizeof("/ipns/") - 1);
    return rest == std::string::npos ? "/" : request.path.substr(rest);
}

/// To the subdomain of a cid or name, under which no other content is.
Answered<Plan> redirect_to_subdomain(const ContentRequest& request, const Origin& origin) {
    const auto label = subdomain_label(request.space, request.name);
    if (!label) {
        return refuse(400, "invalid path \"" + request.path + "\": " + label.error().message());
    }
    const std::optional<std::string>& fitting = *label;
    if (!fitting) {
        return refuse(400, "CID incompatible with DNS label length limit of 63");
    }
    return redirect(301, with_query(origin.scheme + "://" + *fitting + "." + request.space + "." +
                                        origin.authority + path_below(request),
                             request));
}

/// Whether a path on the parent of subdomains leads to one: what is verified by who gets it does
/// not have to.
bool belongs_on_subdomain(const ContentRequest& request) {
    return request.format != Format::raw && request.format != Format::car &&
           request.format != Format::ipns_record;
}

Answered<Plan> plan_name(const ContentRequest& request,
    const Origin& origin,
    const Conditions& conditions,
    const GatewayContext& context,
    const PublicBlocks& blocks) {
    const UnixSeconds now = context.clock.unix_seconds();
    if (const auto name = multiformats::IpnsName::parse(request.name)) {
        if (request.format == Format::ipns_record) {
            return request.segments.empty()
                       ? plan_record(request, *name, conditions, context, now)
                       : refuse(400, "a record is that of a whole name, without a path");
        }
        std::string canonical = name->to_string();
        if (canonical != request.name && !is_own(origin)) {
            const std::string below = path_below(request);
            return redirect(302,
                with_query(
                    "/ipns/" + canonical + (below == "/" && !request.trailing_slash ? "" : below),
                    request));
        }
    }
    auto named = resolve_name(request.name, {context.records, context.links, context.domains}, now);
    if (!named) {
        return std::unexpected(std::move(named.error()));
    }
    Target target{.root = std::move(named->root),
        .segments = std::move(named->segments),
        .max_age = named->max_age,
        .origin = origin};
    target.name_segments = target.segments.size();
    target.segments.insert(target.segments.end(), request.segments.begin(), request.segments.end());
    return Planner(blocks, request, conditions, std::move(target)).plan();
}

Answered<Plan> plan_request(const ContentRequest& request,
    const Origin& origin,
    const Conditions& conditions,
    const GatewayContext& context,
    const PublicBlocks& blocks) {
    if (origin.kind == Origin::Kind::parent && belongs_on_subdomain(request)) {
        return redirect_to_subdomain(request, origin);
    }
    if (request.space == "ipns") {
        return plan_name(request, origin, conditions, context, blocks);
    }
    auto cid = content::Cid::parse(request.name);
    if (!cid) {
        return refuse(400, "invalid path \"" + request.path + "\": " + cid.error().message());
    }
    return Planner(blocks, request, conditions,
        Target{.root = std::move(*cid), .segments = request.segments, .origin = origin})
        .plan();
}

/// What stands in front of the path on an origin of its own; or the redirect to the right one.
Answered<std::string> mount_of(const Origin& origin) {
    if (!is_own(origin)) {
        return std::string();
    }
    const bool is_domain =
        origin.space == "ipns" && !multiformats::IpnsName::parse(origin.name).has_value();
    if (origin.kind == Origin::Kind::website || is_domain) {
        return "/ipns/" + domain_of_label(origin.name);
    }
    const auto label = subdomain_label(origin.space, origin.name);
    if (!label) {
        return refuse(400, "\"" + origin.name + "\" is no content id");
    }
    const std::optional<std::string>& fitting = *label;
    return fitting ? Answered<std::string>("/" + origin.space + "/" + *fitting)
                   : refuse(400, "CID incompatible with DNS label length limit of 63");
}

bool is_beside_us(const net::PeerAddress& peer) {
    const net::IpAddress ip = peer.ip.unmapped();
    constexpr std::uint8_t kLoopback = 127;
    return peer.is_unix || (ip.is_v6() ? ip.to_string() == "::1" : ip.octets()[0] == kLoopback);
}

Origin origin_of(const net::http::RequestHead& head, const GatewayContext& context, bool trusted) {
    return find_origin(
        head, context.parents,
        [&context](std::string_view domain) {
            return context.links.find(domain).has_value() ||
                   std::ranges::find(context.websites, domain) != context.websites.end();
        },
        trusted);
}

Origin origin_of(const net::http::Exchange& exchange, const GatewayContext& context) {
    // A proxy in front of the node runs beside it, and sees nothing of what a tunnel brings.
    return origin_of(
        exchange.request(), context, is_beside_us(exchange.peer()) && !exchange.through_connect());
}

/// Where the request should have gone; nothing if it is right here.
std::optional<std::string> better_place(
    const net::http::RequestHead& head, const Origin& origin, std::string_view mount) {
    if (!is_own(origin)) {
        return path_of_uri(head);
    }
    const std::string_view name = mount.substr(mount.rfind('/') + 1);
    if (origin.kind == Origin::Kind::website || name == origin.name ||
        name.find('.') != std::string_view::npos) {
        return std::nullopt;
    }
    return origin.scheme + "://" + std::string(name) + "." + origin.space + "." + origin.authority +
           std::string(head.path()) + (head.query().empty() ? "" : "?" + std::string(head.query()));
}

/// Nothing if it is one that content is given for.
std::optional<Refusal> refuse_request(const net::http::RequestHead& head, const Origin& origin) {
    if (head.method != "GET" && head.method != "HEAD") {
        return Refusal{.status = 405, .detail = "content is only read here"};
    }
    if (!is_own(origin) && head.headers.find("Service-Worker") == "script") {
        return Refusal{.status = 403, .detail = "no service worker on an origin that others share"};
    }
    return std::nullopt;
}

/// What is answered, or with a refusal why not. Reads the disk.
Answered<Plan> plan_answer(const net::http::RequestHead& head,
    const Origin& origin,
    const GatewayContext& context,
    const PublicBlocks& blocks,
    ContentRequest& request,
    Conditions& conditions) {
    auto mount = mount_of(origin);
    if (!mount) {
        return std::unexpected(std::move(mount.error()));
    }
    if (auto place = better_place(head, origin, *mount)) {
        return redirect(301, std::move(*place));
    }
    auto parsed = parse_content_request(head, *mount);
    if (!parsed) {
        return std::unexpected(std::move(parsed.error()));
    }
    request = std::move(*parsed);
    conditions = Conditions::of(head);
    return plan_request(request, origin, conditions, context, blocks);
}

/// Domains that may lead to one another, asked for one at a time.
constexpr int kMostDomains = 8;

/// Has DNS asked for a domain, after which the plan is made again.
async::Task<Answered<void>> learn_domain(
    std::string domain, const GatewayContext* context, bool only_if_cached) {
    constexpr std::chrono::seconds kRetry{1};
    if (only_if_cached) {
        co_return refuse(412, "DNS was not asked for " + domain);
    }
    if (const auto asked = co_await context->domains->ask(domain); !asked) {
        co_return std::unexpected(
            Refusal{.status = 503, .detail = asked.error().message(), .retry_after = kRetry});
    }
    co_return Answered<void>{};
}

/// `plan` again and again, until it needs no more of DNS. `request` is written by it.
async::Task<Answered<Plan>> plan_with_domains(std::function<Answered<Plan>()> plan,
    const GatewayContext* context,
    const ContentRequest* request) {
    for (int asked = 0;; ++asked) {
        auto made = co_await async::offload(context->pool, plan);
        if (made || made.error().unknown_domain.empty()) {
            co_return made;
        }
        if (asked == kMostDomains) {
            co_return refuse(400, "too many domains lead to one another");
        }
        auto learnt = co_await learn_domain(
            std::move(made.error().unknown_domain), context, request->only_if_cached);
        if (!learnt) {
            co_return std::unexpected(std::move(learnt.error()));
        }
    }
}

}  // namespace

bool is_content_origin(const net::http::Exchange& exchange, const GatewayContext& context) {
    return is_own(origin_of(exchange, context));
}

bool is_content_host(std::string_view authority, const GatewayContext& context) {
    net::http::RequestHead head;
    head.headers.add("Host", authority);
    return origin_of(head, context, false).kind != Origin::Kind::shared;
}

async::Task<void> answer_content(net::http::Exchange exchange, const GatewayContext& context) {
    const net::http::RequestHead& head = exchange.request();
    if (head.method == "OPTIONS") {
        co_await send_options(std::move(exchange));
        co_return;
    }
    const Origin origin = origin_of(exchange, context);
    if (auto refusal = refuse_request(head, origin)) {
        co_await send_refusal(std::move(exchange), std::move(*refusal));
        co_return;
    }
    // The plan's streams read through these until it is sent.
    const PublicBlocks blocks(context.blocks, context.visibility());
    ContentRequest request;
    Conditions conditions;
    auto plan = co_await plan_with_domains(
        [&] { return plan_answer(head, origin, context, blocks, request, conditions); }, &context,
        &request);
    if (!plan) {
        co_await send_refusal(std::move(exchange), std::move(plan.error()));
        co_return;
    }
    co_await send_plan(std::move(exchange), std::move(*plan), !is_own(origin), context.pool);
}

}  // namespace decloud::ipfs
