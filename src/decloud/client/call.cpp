#include "call.hpp"

#include "deploy.hpp"

#include <decloud/crypto/hash.hpp>
#include <decloud/net/error.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <array>

namespace decloud::client {

namespace {

constexpr std::size_t kBuffer = 64 * 1024;

bool never_arrived(const Error& error) {
    using net::NetError;
    return error == make_error_code(NetError::connect_failed) ||
           error == make_error_code(NetError::name_not_found) ||
           error == make_error_code(NetError::address_forbidden) ||
           error == make_error_code(NetError::tls_failed);
}

Result<net::http::ClientRequest> make_request(const FunctionCall& call,
    const std::string& target,
    const Address& provider,
    const std::optional<CallerPayment>& payment,
    const identity::Domain& domain,
    UnixSeconds now) {
    net::http::ClientRequest request;
    request.method = call.method;
    request.target = target;
    request.headers = call.headers;
    if (!call.body.empty() || call.method == "POST" || call.method == "PUT") {
        request.body = call.body;
    }
    if (payment) {
        const crypto::Sha256Digest digest = crypto::sha256(call.body);
        TRY(const std::string value, authorize({.method = call.method,
                                                   .target = target,
                                                   .content_digest = digest,
                                                   .provider = provider,
                                                   .max_price = payment->max_price},
                                         *payment->key, domain, now));
        request.headers.set("Content-Digest", protocol::format_content_digest(digest));
        request.headers.set("OpenCloud-Payment", value);
    }
    return request;
}

async::Task<Result<int>> pass_on(net::http::ClientResponse response, CallSink sink) {
    CO_TRY_VOID(sink.head(response.head()));
    std::vector<std::uint8_t> buffer(kBuffer);
    for (;;) {
        CO_TRY(const std::size_t count, co_await response.read(buffer));
        if (count == 0) {
            co_return response.status();
        }
        CO_TRY_VOID(sink.body(BytesView(buffer).first(count)));
    }
}

}  // namespace

async::Task<Result<int>> call_function(
    // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    FunctionCall call,
    CallRoute route,
    std::optional<CallerPayment> payment,
    identity::Domain domain,
    const Clock& clock,
    CallSink sink
    // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
) {
    const std::string direct_target = "/" + call.cid + call.suffix;
    if (!route.gateway_url.empty()) {
        CO_TRY(const net::Url gateway, net::parse_url(route.gateway_url));
        const std::string target = "/p/" + route.provider.name.short_form() + direct_target;
        CO_TRY(auto request, make_request(call, target, route.provider.address, payment, domain,
                                 clock.unix_seconds()));
        auto response = co_await client.request(gateway, std::move(request));
        if (response) {
            co_return co_await pass_on(std::move(*response), std::move(sink));
        }
        if (!never_arrived(response.error())) {
            co_return fail(response.error().within("the gateway at " + route.gateway_url));
        }
    }
    CO_TRY(auto request, make_request(call, direct_target, route.provider.address, payment, domain,
                             clock.unix_seconds()));
    auto response = co_await client.request(route.provider.url, std::move(request));
    if (!response) {
        co_return fail(response.error().within(
            route.provider.name.full() + " at " + route.provider.url.to_string()));
    }
    co_return co_await pass_on(std::move(*response), std::move(sink));
}

}  // namespace decloud::client
