#include "console.hpp"

#include <decloud/base/json.hpp>
#include <decloud/pipeline/pipeline.hpp>

#include <utility>

namespace decloud::node {

namespace {

async::Task<void> send_text(
    net::http::Exchange exchange, int status, std::string type, std::string body) {
    net::http::ResponseHead head;
    head.status = status;
    head.headers.add("Content-Type", type);
    head.headers.add("X-Content-Type-Options", "nosniff");
    head.headers.add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    (void)co_await exchange.send(std::move(head), std::move(body));
}

bool is_loopback_authority(std::string_view authority) {
    const std::size_t colon = authority.rfind(':');
    const std::string_view host = authority.ends_with(']') ? authority : authority.substr(0, colon);
    return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

std::string start_page(const ConsoleContext& context) {
    const chain::ChainStatus status = context.chain_status();
    return "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>decloud</title>"
           "<body style=\"font-family:sans-serif;max-width:40em;margin:2em auto\"><h1>" +
           context.provider_name + "</h1><p>" +
           (status.ready ? "Ready. Chain head " + std::to_string(status.head) + "."
                         : "Not ready: " + status.reason) +
           "</p><p><a href=\"/metrics\">metrics</a> · money and deployments: <code>decloud "
           "provider "
           "status</code></p></body></html>\n";
}

}  // namespace

bool is_local_request(const net::http::RequestHead& head) {
    const auto host = head.headers.find("Host");
    if (!host || !is_loopback_authority(*host)) {
        return false;
    }
    const auto origin = head.headers.find("Origin");
    if (!origin) {
        return true;
    }
    return *origin == "http://" + std::string(*host);
}

async::Task<void> answer_health(net::http::Exchange exchange) {
    co_await send_text(std::move(exchange), 200, "application/json", "{\"healthy\":true}\n");
}

async::Task<void> answer_readiness(net::http::Exchange exchange, chain::ChainStatus status) {
    json::Object body{
        {"ready", status.ready}, {"head", status.head}, {"finalized", status.finalized}};
    if (!status.ready) {
        body["reason"] = status.reason;
    }
    co_await send_text(std::move(exchange), status.ready ? 200 : 503, "application/json",
        json::to_text(body) + "\n");
}

async::Task<void> answer_console(net::http::Exchange exchange, const ConsoleContext& context) {
    const net::http::RequestHead& head = exchange.request();
    if (!is_local_request(head)) {
        co_await pipeline::Pipeline::send_problem(std::move(exchange),
            protocol::refuse(403, protocol::Status::declined,
                "the console answers to its own address only", "use http://127.0.0.1 and its port")
                .error());
        co_return;
    }
    const std::string path(head.path());
    if (path == "/metrics") {
        context.measure();
        co_await send_text(
            std::move(exchange), 200, "text/plain; version=0.0.4", context.metrics.to_text());
    } else if (path == "/healthz") {
        co_await answer_health(std::move(exchange));
    } else if (path == "/readyz") {
        co_await answer_readiness(std::move(exchange), context.chain_status());
    } else if (path == "/") {
        co_await send_text(
            std::move(exchange), 200, "text/html; charset=utf-8", start_page(context));
    } else {
        co_await pipeline::Pipeline::send_problem(std::move(exchange),
            protocol::refuse(404, protocol::Status::bad_request, "the console has / and /metrics")
                .error());
    }
}

}  // namespace decloud::node
