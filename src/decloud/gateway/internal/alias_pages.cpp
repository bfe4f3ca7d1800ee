#include "alias_pages.hpp"

#include "../routing.hpp"

#include <utility>

namespace decloud::gateway::internal {

namespace {

using identity::kAliasesPath;
using protocol::Checked;
using protocol::refuse;
using protocol::Status;

constexpr std::uint64_t kMaxBodyBytes = 4096;

}  // namespace

bool AliasPages::is_meant(const net::http::RequestHead& request) const {
    const std::string_view path = request.path();
    return path.starts_with(kAliasesPath) &&
           (path.size() == kAliasesPath.size() || path[kAliasesPath.size()] == '/') &&
           is_own_host_(request.headers.find("Host").value_or(""));
}

async::Task<void> AliasPages::answer(net::http::Exchange exchange) {
    const auto result = co_await serve(&exchange);
    net::http::ResponseHead head{result ? 200 : result.error().http_status, {},
        {{"Content-Type", result ? "application/json" : "application/problem+json"},
            {"Cache-Control", "no-store"}, {"Access-Control-Allow-Origin", "*"}}};
    std::string text =
        result ? json::to_text(*result) + "\n" : protocol::problem_json(result.error());
    (void)co_await exchange.send(std::move(head), std::move(text));
}

async::Task<Checked<json::Object>> AliasPages::serve(net::http::Exchange* exchange) {
    const net::http::RequestHead& request = exchange->request();
    std::string alias(request.path().substr(kAliasesPath.size()));
    const bool is_read = request.method == "GET" || request.method == "HEAD";
    if (alias.empty() && is_read) {
        co_return json::Object{{"gateway", domain_}};
    }
    alias.erase(0, 1);
    if (!is_alias(alias)) {
        co_return refuse(400, Status::bad_request, "that can be no alias");
    }
    if (request.method == "PUT") {
        co_return co_await put(exchange, std::move(alias));
    }
    if (!is_read) {
        co_return refuse(405, Status::bad_request, "GET tells an alias, PUT binds it");
    }
    if (auto known = store_.describe(alias)) {
        co_return std::move(*known);
    }
    co_return refuse(404, Status::bad_request, "nobody has bound " + alias,
        "decloud alias set " + alias + " CID");
}

async::Task<Checked<json::Object>> AliasPages::put(
    net::http::Exchange* exchange, std::string alias) {
    const auto body = co_await exchange->read_all(kMaxBodyBytes);
    if (!body) {
        co_return refuse(400, Status::bad_request, "the body is no binding");
    }
    auto binding = identity::parse_alias_binding(as_text(*body));
    if (!binding) {
        co_return refuse(400, Status::bad_request, binding.error().detail());
    }
    if (binding->fields.alias != alias) {
        co_return refuse(400, Status::bad_request, "the binding is of another alias");
    }
    if (auto set = co_await store_.set(std::move(*binding)); !set) {
        co_return std::unexpected(std::move(set.error()));
    }
    co_return store_.describe(alias).value_or(json::Object{});
}

}  // namespace decloud::gateway::internal
