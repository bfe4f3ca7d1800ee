#include "call.hpp"

#include <utility>

namespace decloud::client {

namespace {

constexpr std::size_t kBuffer = 64 * 1024;

async::Task<Result<Answer>> pass_on(Answer answer, CallSink sink) {
    CO_TRY_VOID(sink.head(answer.head()));
    std::vector<std::uint8_t> buffer(kBuffer);
    for (;;) {
        CO_TRY(const std::size_t count, co_await answer.read(buffer));
        if (count == 0) {
            co_return answer;
        }
        CO_TRY_VOID(sink.body(BytesView(buffer).first(count)));
    }
}

}  // namespace

CallSink collect_into(Bytes& body, std::size_t limit) {
    return {.head = [](const net::http::ResponseHead&) { return Result<void>{}; },
        .body = [&body, limit](BytesView piece) -> Result<void> {
            if (body.size() + piece.size() > limit) {
                return fail(CommonError::limit_exceeded, "the node's answer is too long");
            }
            append(body, piece);
            return {};
        }};
}

Result<std::vector<RequestRoute>> routes_to(
    const std::string& gateway_url, const registry::Provider& provider, const std::string& path) {
    std::vector<RequestRoute> out;
    if (!gateway_url.empty()) {
        TRY(net::Url gateway, net::parse_url(gateway_url));
        out.push_back({.url = std::move(gateway),
            .target = "/p/" + provider.name.short_form() + path,
            .name = "the gateway at " + gateway_url});
    }
    out.push_back({.url = provider.url,
        .target = path,
        .name = provider.name.full() + " at " + provider.url.to_string()});
    return out;
}

async::Task<Result<Answer>> call(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Payer& payer,
    PayableRequest request,
    CallSink sink) {
    const auto body = request.body;
    auto answer = co_await payer.send(std::move(request));
    if (answer) {
        answer = co_await pass_on(std::move(*answer), std::move(sink));
    }
    if (body) {
        co_await body->stop();
    }
    co_return answer;
}

}  // namespace decloud::client
