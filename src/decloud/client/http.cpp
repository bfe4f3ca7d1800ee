#include "http.hpp"

#include "error.hpp"
#include "home.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/net/error.hpp>
#include <decloud/net/outbound_policy.hpp>

#include <fmt/format.h>

namespace decloud::client {

namespace {

constexpr std::uint64_t kMaxJson = 16U << 20U;
constexpr std::uint64_t kMaxProblem = 256U << 10U;
constexpr std::size_t kReadBytes = 256U << 10U;

ClientError code_of(int status) {
    switch (status) {
        case 401:
        case 403:
            return ClientError::not_authorised;
        case 404:
            return ClientError::not_found;
        case 410:
            return ClientError::gone;
        case 402:
        case 413:
        case 429:
            return ClientError::payment;
        default:
            return ClientError::remote;
    }
}

}  // namespace

std::shared_ptr<const net::http::ProxyRules> environment_proxies() {
    const EnvironmentReader environment = process_environment();
    const auto either = [&](const std::string& name, const std::string& capitals) {
        return environment(name).value_or(environment(capitals).value_or(""));
    };
    // HTTP_PROXY in capitals is what a CGI server makes of a request's field "Proxy".
    return std::make_shared<net::http::ProxyRules>(
        net::http::ProxyVariables{.http = environment("http_proxy").value_or(""),
            .https = either("https_proxy", "HTTPS_PROXY"),
            .all = either("all_proxy", "ALL_PROXY"),
            .none = either("no_proxy", "NO_PROXY")});
}

std::unique_ptr<net::http::Client> make_http_client(async::Executor executor) {
    net::http::ClientSettings settings;
    settings.head_timeout = std::chrono::minutes(16);
    settings.idle_timeout = std::chrono::minutes(16);
    // A GET of a function is a paid call.
    settings.replay_idempotent = false;
    settings.proxies = environment_proxies();
    return std::make_unique<net::http::Client>(
        std::move(executor), settings, net::OutboundPolicy::trusted());
}

Error remote_error(int status, std::string_view content_type, BytesView body) {
    std::string detail;
    std::string help;
    if (content_type.starts_with("application/problem+json") ||
        content_type.starts_with("application/json")) {
        const auto value = json::parse(as_text(body), {.max_bytes = kMaxProblem, .max_depth = 16});
        if (value && value->is_object()) {
            detail = json::string_member(value->get_object(), "detail").value_or("");
            help = json::string_member(value->get_object(), "help").value_or("");
        }
    }
    std::string text = fmt::format(
        "HTTP {} {}", status, detail.empty() ? net::http::reason_phrase(status) : detail);
    if (!help.empty()) {
        text += "\nhelp: " + help;
    }
    return {make_error_code(code_of(status)), text};
}

namespace {

/// An answer of status 2xx; another one is an error with what its body says.
async::Task<Result<net::http::ClientResponse>> send(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    net::Url url,
    net::http::ClientRequest request) {
    const std::string where =
        url.scheme == net::Scheme::unix_socket ? url.unix_path : url.authority();
    auto response = co_await client.request(std::move(url), std::move(request));
    if (!response) {
        co_return fail(response.error().within(where));
    }
    const int status = response->status();
    if (status >= 200 && status < 300) {
        co_return response;
    }
    const std::string type(response->head().headers.find("Content-Type").value_or(""));
    const auto body = co_await response->read_all(kMaxProblem);
    co_return fail(remote_error(status, type, body ? BytesView(*body) : BytesView{}));
}

}  // namespace

async::Task<Result<Bytes>> fetch(
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters)
    net::http::Client& client,
    net::Url url,
    net::http::ClientRequest request,
    std::uint64_t max_bytes) {
    const std::string where =
        url.scheme == net::Scheme::unix_socket ? url.unix_path : url.authority();
    CO_TRY(auto response, co_await send(client, std::move(url), std::move(request)));
    auto body = co_await response.read_all(max_bytes);
    if (!body) {
        co_return fail(body.error().within(where));
    }
    co_return std::move(*body);
}

async::Task<bool> OperatorClient::reachable() {
    const auto answer =
        co_await async::with_timeout(std::chrono::seconds(5), ask("GET", "/operator/status"));
    co_return answer.has_value();
}

async::Task<Result<json::Object>> OperatorClient::status() {
    co_return co_await ask("GET", "/operator/status");
}

async::Task<Result<json::Object>> OperatorClient::exposure() {
    co_return co_await ask("GET", "/operator/exposure");
}

async::Task<Result<json::Object>> OperatorClient::debts() {
    co_return co_await ask("GET", "/operator/debts");
}

async::Task<Result<json::Object>> OperatorClient::forgive(std::string id) {
    co_return co_await ask("POST", "/operator/debts/forgive?id=" + percent_encode(id));
}

async::Task<Result<json::Object>> OperatorClient::settle() {
    co_return co_await ask("POST", "/operator/settle");
}

async::Task<Result<json::Object>> OperatorClient::reload_services() {
    co_return co_await ask("POST", "/operator/services/reload");
}

async::Task<Result<json::Object>> OperatorClient::list_content() {
    co_return co_await ask("GET", "/operator/content/list");
}

async::Task<Result<json::Object>> OperatorClient::pin_content(std::string cid, std::string reason) {
    co_return co_await ask("POST",
        "/operator/content/pin?cid=" + percent_encode(cid) + "&reason=" + percent_encode(reason));
}

async::Task<Result<json::Object>> OperatorClient::unpin_content(
    std::string cid, std::string owner, std::string reason) {
    co_return co_await ask("POST", "/operator/content/unpin?cid=" + percent_encode(cid) +
                                       "&owner=" + percent_encode(owner) +
                                       "&reason=" + percent_encode(reason));
}

async::Task<Result<json::Object>> OperatorClient::collect_content(std::chrono::seconds min_age) {
    co_return co_await ask_long(
        "POST", "/operator/content/collect?min_age=" + std::to_string(min_age.count()));
}

async::Task<Result<json::Object>> OperatorClient::verify_content() {
    co_return co_await ask_long("GET", "/operator/content/verify");
}

async::Task<Result<json::Object>> OperatorClient::import_content(
    std::string pin, net::http::BodySource car, bool incomplete) {
    CO_TRY(auto response, co_await exchange("POST",
                              "/operator/content/import?pin=" + percent_encode(pin) +
                                  (incomplete ? "&incomplete=true" : ""),
                              std::move(car)));
    co_return co_await read_object(std::move(response));
}

async::Task<Result<json::Object>> OperatorClient::add_file(
    std::string pin, net::http::BodySource bytes) {
    CO_TRY(
        auto response, co_await exchange("POST", "/operator/content/add?pin=" + percent_encode(pin),
                           std::move(bytes)));
    co_return co_await read_object(std::move(response));
}

async::Task<Result<json::Object>> OperatorClient::keep_record(std::string name, Bytes record) {
    CO_TRY(auto response,
        co_await exchange(
            "POST", "/operator/content/record?name=" + percent_encode(name), std::move(record)));
    co_return co_await read_object(std::move(response));
}

async::Task<Result<json::Object>> OperatorClient::publish_name(
    std::string key, std::string value, std::chrono::seconds lifetime, std::chrono::seconds ttl) {
    co_return co_await ask("POST", "/operator/content/publish?key=" + percent_encode(key) +
                                       "&value=" + percent_encode(value) +
                                       "&lifetime=" + std::to_string(lifetime.count()) +
                                       "&ttl=" + std::to_string(ttl.count()));
}

async::Task<Result<json::Object>> OperatorClient::withdraw_name(std::string key) {
    co_return co_await ask("POST", "/operator/content/unpublish?key=" + percent_encode(key));
}

async::Task<Result<void>> OperatorClient::export_content(
    std::string cid, std::function<Result<void>(BytesView)> sink) {
    co_return co_await receive(
        "/operator/content/export?cid=" + percent_encode(cid), std::move(sink));
}

async::Task<Result<void>> OperatorClient::read_file(
    std::string cid, std::function<Result<void>(BytesView)> sink) {
    co_return co_await receive(
        "/operator/content/file?cid=" + percent_encode(cid), std::move(sink));
}

async::Task<Result<void>> OperatorClient::receive(
    std::string target, std::function<Result<void>(BytesView)> sink) {
    CO_TRY(auto response, co_await exchange("GET", std::move(target), {}));
    Bytes buffer(kReadBytes);
    for (;;) {
        CO_TRY(const std::size_t count, co_await response.read(buffer));
        if (count == 0) {
            co_return Result<void>{};
        }
        CO_TRY_VOID(sink(BytesView(buffer).first(count)));
    }
}

async::Task<Result<json::Object>> OperatorClient::ask(std::string method, std::string target) {
    Body body;
    if (method == "POST") {
        body = Bytes{};
    }
    CO_TRY(auto response, co_await exchange(std::move(method), std::move(target), std::move(body)));
    co_return co_await read_object(std::move(response));
}

async::Task<Result<json::Object>> OperatorClient::ask_long(std::string method, std::string target) {
    CO_TRY(json::Object answer, co_await ask(std::move(method), std::move(target)));
    if (const auto error = json::string_member(answer, "error")) {
        co_return fail(ClientError::remote, *error);
    }
    co_return answer;
}

async::Task<Result<json::Object>> OperatorClient::read_object(net::http::ClientResponse response) {
    CO_TRY(const Bytes answer, co_await response.read_all(kMaxJson));
    CO_TRY(const json::Value value, json::parse(as_text(answer), {.max_bytes = kMaxJson}));
    if (!value.is_object()) {
        co_return fail(ClientError::remote, "the node's answer is not a JSON object");
    }
    co_return value.get_object();
}

async::Task<Result<net::http::ClientResponse>> OperatorClient::exchange(
    std::string method, std::string target, Body body) {
    net::Url url;
    url.scheme = net::Scheme::unix_socket;
    url.unix_path = socket_;
    net::http::ClientRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers.set("Host", "localhost");
    request.body = std::move(body);
    auto answer = co_await send(client_, std::move(url), std::move(request));
    const bool nobody_there =
        !answer && answer.error() == make_error_code(net::NetError::connect_failed);
    if (nobody_there) {
        co_return fail(Error(make_error_code(net::NetError::connect_failed),
            "no node runs on this home (" + socket_ +
                ")\nhelp: decloud up, or decloud provider run"));
    }
    co_return answer;
}

}  // namespace decloud::client
