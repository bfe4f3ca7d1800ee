#include "payer.hpp"

#include <decloud/net/error.hpp>

#include <algorithm>
#include <utility>

namespace decloud::client {

Answer::Answer(net::http::ClientResponse response) : source_(std::move(response)) {}

Answer::Answer(net::http::ResponseHead head, Bytes body)
    : source_(Whole{.head = std::move(head), .body = std::move(body)}) {}

const net::http::ResponseHead& Answer::head() const {
    const auto* whole = std::get_if<Whole>(&source_);
    return whole != nullptr ? whole->head : std::get<net::http::ClientResponse>(source_).head();
}

std::optional<std::uint64_t> Answer::content_length() const {
    const auto* whole = std::get_if<Whole>(&source_);
    return whole != nullptr ? whole->body.size()
                            : std::get<net::http::ClientResponse>(source_).content_length();
}

async::Task<Result<std::size_t>> Answer::read(std::span<std::uint8_t> buffer) {
    if (auto* whole = std::get_if<Whole>(&source_)) {
        const std::size_t count = std::min(buffer.size(), whole->body.size() - whole->read);
        std::ranges::copy(BytesView(whole->body).subspan(whole->read, count), buffer.begin());
        whole->read += count;
        co_return count;
    }
    CO_TRY(const std::size_t count,
        co_await std::get<net::http::ClientResponse>(source_).read(buffer));
    if (count == 0 && on_end_) {
        std::exchange(on_end_, {})(trailers());
    }
    co_return count;
}

net::http::Headers Answer::trailers() const {
    const auto* response = std::get_if<net::http::ClientResponse>(&source_);
    return response != nullptr ? response->trailers() : net::http::Headers{};
}

void Answer::abort() {
    if (auto* response = std::get_if<net::http::ClientResponse>(&source_)) {
        response->abort();
    }
}

bool never_arrived(const Error& error) {
    using net::NetError;
    return error == make_error_code(NetError::connect_failed) ||
           error == make_error_code(NetError::name_not_found) ||
           error == make_error_code(NetError::address_forbidden) ||
           error == make_error_code(NetError::tls_failed);
}

namespace {

/// Nothing where there is no body.
async::Task<Result<std::optional<crypto::Sha256Digest>>> content_of(
    std::shared_ptr<ReplayBody> body) {
    if (!body) {
        co_return std::optional<crypto::Sha256Digest>();
    }
    CO_TRY(const crypto::Sha256Digest digest, co_await body->digest());
    co_return std::optional(digest);
}

}  // namespace

async::Task<Result<net::http::ClientResponse>> send_once(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    PayableRequest request,
    RequestRoute route,
    net::http::Headers more) {
    net::http::ClientRequest out;
    out.method = std::move(request.method);
    out.target = std::move(route.target);
    out.headers = std::move(request.headers);
    for (const auto field : more) {
        out.headers.set(field.name, field.value);
    }
    if (!request.signer) {
        if (request.body) {
            out.body = request.body->from_start();
        }
        co_return co_await client.request(std::move(route.url), std::move(out));
    }
    CO_TRY(const auto content, co_await content_of(request.body));
    for (bool again = false;; again = true) {
        CO_TRY_VOID(request.signer->sign(out.method, out.target, content, out.headers));
        if (request.body) {
            out.body = request.body->from_start();
        }
        auto response = co_await client.request(route.url, out);
        if (!response || !request.signer->learn(response->head()) || again) {
            co_return response;
        }
        response->abort();
    }
}

async::Task<Result<Answer>> Payer::send_over(
    PaymentStrategy* strategy, PayableRequest request, RequestRoute route) {
    if (strategy != nullptr) {
        co_return co_await strategy->send(std::move(request), std::move(route));
    }
    CO_TRY(auto response, co_await send_once(client_, std::move(request), std::move(route)));
    co_return Answer(std::move(response));
}

async::Task<Result<Answer>> Payer::send(PayableRequest request) {
    PaymentStrategy* strategy = nullptr;
    for (const auto& each : strategies_) {
        CO_TRY(const bool can, co_await each->can_pay(request));
        if (can) {
            strategy = each.get();
            break;
        }
    }
    for (std::size_t index = 0;; ++index) {
        if (index == request.routes.size()) {
            co_return fail(CommonError::invalid_input, "a request without a way to go");
        }
        const RequestRoute& route = request.routes[index];
        auto answer = co_await send_over(strategy, request, route);
        const bool last = index + 1 == request.routes.size();
        if (answer || last || !never_arrived(answer.error())) {
            co_return answer ? std::move(answer) : fail(answer.error().within(route.name));
        }
    }
}

}  // namespace decloud::client
