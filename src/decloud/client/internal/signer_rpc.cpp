#include "signer_rpc.hpp"

#include "../error.hpp"
#include "../http.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/url.hpp>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace decloud::client::internal {

namespace {

/// Somebody may have to read it and to find a device.
constexpr auto kDecision = std::chrono::minutes(10);
constexpr std::uint64_t kMaxAnswer = std::uint64_t{4} << 20U;
/// Of JSON-RPC, EIP-1474 and EIP-1193.
constexpr std::array<std::int64_t, 3> kNoSuchMethod{-32601, -32004, 4200};

async::Task<void> post(
    net::http::Client* client, net::Url url, std::string body, Result<Bytes>* out) {
    net::http::ClientRequest request{.method = "POST",
        .target = {},
        .headers = {},
        .body = to_bytes(std::string_view(body)),
        .on_continue = {}};
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Accept", "application/json");
    auto response = co_await client->request(std::move(url), std::move(request));
    *out = response ? co_await response->read_all(kMaxAnswer)
                    : Result<Bytes>(fail(std::move(response.error())));
    co_await client->stop();
}

/// One request on a loop of its own, so that whoever asks need not be a coroutine.
Result<json::Object> exchange(
    const std::string& url_text, std::string_view method, const json::Array& params) {
    TRY(const net::Url url, net::parse_url(url_text));
    const json::Object question{
        {"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
    boost::asio::io_context loop;
    net::http::ClientSettings settings;
    settings.head_timeout = kDecision;
    settings.replay_idempotent = false;
    settings.proxies = environment_proxies();
    net::http::Client client(loop.get_executor(), settings, net::OutboundPolicy::trusted());
    Result<Bytes> answer = fail(CommonError::internal);
    async::TaskGroup group(loop.get_executor());
    group.spawn(post(&client, url, json::to_text(question), &answer));
    loop.run();
    if (!answer) {
        return fail(answer.error().within("the signer at " + url_text));
    }
    const auto value = json::parse(as_text(*answer), {.max_bytes = kMaxAnswer});
    if (!value || !value->is_object()) {
        return fail(ClientError::remote, "the signer at " + url_text + " does not answer in JSON");
    }
    return value->get_object();
}

bool says_no_such_method(const json::Object& error) {
    const auto* const code = error.if_contains("code");
    return code != nullptr && code->is_int64() &&
           std::ranges::find(kNoSuchMethod, code->get_int64()) != kNoSuchMethod.end();
}

}  // namespace

Result<std::optional<json::Value>> ask_signer(const std::string& url,
    const SignerMethod& method,
    json::Array params,
    std::optional<std::string_view> for_clef) {
    for (const std::string_view name : {method.common, method.clef}) {
        if (name.empty()) {
            continue;
        }
        if (name == method.clef && for_clef) {
            params.emplace_back(*for_clef);
        }
        TRY(const json::Object answer, exchange(url, name, params));
        const auto* const result = answer.if_contains("result");
        const auto failure = json::object_member(answer, "error");
        if (result != nullptr && (!result->is_null() || !failure)) {
            return *result;
        }
        const json::Object error = failure.value_or(json::Object{});
        if (!says_no_such_method(error)) {
            return fail_with_help(ClientError::not_authorised,
                fmt::format("the signer at {} did not sign: {}", url,
                    json::string_member(error, "message").value_or("it gives no reason")),
                "look at the signer: it has to hold the key, and somebody has to agree there");
        }
    }
    return std::nullopt;
}

}  // namespace decloud::client::internal
