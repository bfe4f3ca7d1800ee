#include "json_rpc.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/net/error.hpp>
#include <decloud/net/http/client.hpp>

#include <algorithm>
#include <array>
#include <string_view>

namespace decloud::chain {

namespace {

// The logs of a full range are the largest answer.
constexpr std::uint64_t kMaxAnswer = 32U << 20U;

/// True if asking twice is as good as asking once. `body` is our own JSON, one call or several.
bool only_reads(std::string_view body) {
    using namespace std::string_view_literals;
    constexpr std::string_view kMethod = R"("method":")";
    constexpr std::array kReads{"eth_get"sv, "eth_call\""sv, "eth_block"sv, "eth_chainId"sv,
        "eth_estimateGas"sv, "eth_fee"sv, "eth_gasPrice"sv, "eth_maxPriority"sv};
    for (std::size_t at = body.find(kMethod); at != body.npos; at = body.find(kMethod, at + 1)) {
        const std::string_view name = body.substr(at + kMethod.size());
        if (std::ranges::none_of(
                kReads, [&](std::string_view read) { return name.starts_with(read); })) {
            return false;
        }
    }
    return true;
}

net::http::ClientSettings settings_with(std::shared_ptr<const net::http::ProxyRules> proxies) {
    net::http::ClientSettings settings;
    settings.proxies = std::move(proxies);
    return settings;
}

class HttpTransport final : public JsonRpcTransport {
  public:
    HttpTransport(async::Executor executor, std::shared_ptr<const net::http::ProxyRules> proxies)
        : client_(std::move(executor),
              settings_with(std::move(proxies)),
              net::OutboundPolicy::trusted()) {}

    async::Task<Result<std::string>> post(
        std::string url, std::string body, std::chrono::milliseconds timeout) override {
        auto answer =
            co_await async::with_timeout(timeout, exchange(std::move(url), std::move(body)));
        if (!answer && (answer.error() == make_error_code(CommonError::timeout))) {
            co_return fail(ChainError::timeout);
        }
        co_return answer;
    }

    async::Task<void> stop() override { co_await client_.stop(); }

  private:
    async::Task<Result<std::string>> exchange(std::string url, std::string body) {
        CO_TRY(const net::Url parsed, net::parse_url(url));
        net::http::ClientRequest request{.method = "POST",
            .target = {},
            .headers = {},
            .body = to_bytes(std::string_view(body)),
            .on_continue = {}};
        request.headers.set("Content-Type", "application/json");
        request.headers.set("Accept", "application/json");
        auto response = co_await client_.request(parsed, request);
        // An endpoint may end a connection that it has not used for a while just as we use it.
        if (!response && response.error() == make_error_code(net::NetError::connection_closed) &&
            only_reads(body)) {
            response = co_await client_.request(parsed, std::move(request));
        }
        if (!response) {
            co_return unreachable(response.error());
        }
        auto answer = co_await response->read_all(kMaxAnswer);
        if (!answer) {
            co_return unreachable(answer.error());
        }
        // Some servers put an error object into a 4xx or 5xx; without JSON only the status speaks.
        if (response->status() != 200 && !as_text(*answer).starts_with('{')) {
            co_return fail(ChainError::unreachable, "HTTP " + std::to_string(response->status()));
        }
        co_return std::string(as_text(*answer));
    }

    static std::unexpected<Error> unreachable(const Error& error) {
        if (error == make_error_code(CommonError::timeout)) {
            return fail(ChainError::timeout);
        }
        return fail(ChainError::unreachable, error.message());
    }

    net::http::Client client_;
};

}  // namespace

std::unique_ptr<JsonRpcTransport> make_http_transport(
    async::Executor executor, std::shared_ptr<const net::http::ProxyRules> proxies) {
    return std::make_unique<HttpTransport>(std::move(executor), std::move(proxies));
}

}  // namespace decloud::chain
