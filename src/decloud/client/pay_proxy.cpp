#include "pay_proxy.hpp"

#include "call.hpp"
#include "error.hpp"

#include <decloud/async/contained.hpp>
#include <decloud/async/task_group.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/log.hpp>
#include <decloud/crypto/random.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::client {

namespace {

namespace asio = boost::asio;

using net::http::Exchange;
using net::http::ResponseHead;
using protocol::Problem;

constexpr std::size_t kTokenBytes = 16;
constexpr std::size_t kBufferBytes = std::size_t{64} * 1024;
constexpr std::size_t kMaxNote = 500;

bool is_loopback(const net::IpAddress& address) {
    const net::IpAddress plain = address.unmapped();
    return plain.is_v6() ? plain == net::parse_ip_address("::1").value() : plain.octets()[0] == 127;
}

/// One line, as a header can carry it.
std::string note(const Error& error) {
    std::string text = error.message().substr(0, kMaxNote);
    std::ranges::replace(text, '\n', ' ');
    return text;
}

/// "what failed\nhelp: what mends it" as a problem.
Problem problem_of(int http_status, const Error& error) {
    const std::string text = error.message();
    const std::size_t line = text.find("\nhelp: ");
    auto out = protocol::refuse(http_status,
        http_status == 402 ? protocol::Status::declined : protocol::Status::server_error,
        text.substr(0, line), line == std::string::npos ? "" : text.substr(line + 7));
    return std::move(out.error());
}

int status_of(const Error& error) {
    if (error == make_error_code(ClientError::payment)) {
        return 402;
    }
    if (error == make_error_code(CommonError::limit_exceeded)) {
        return 413;
    }
    if (error == make_error_code(registry::RegistryError::unknown_provider)) {
        return 404;
    }
    return error == make_error_code(CommonError::timeout) ? 504 : 502;
}

}  // namespace

/// The listeners and what they answer.
class PayProxy::Impl {
  public:
    Impl(async::Executor executor,
        PayProxySettings settings,
        Payer& payer,
        registry::ProviderSource* providers)
        : executor_(std::move(executor)),
          settings_(std::move(settings)),
          payer_(payer),
          providers_(providers) {}

    [[nodiscard]] Result<void> listen() {
        if (!settings_.listen.is_unix() && !is_loopback(settings_.listen.ip)) {
            return fail(ClientError::usage,
                "pay-proxy listens on loopback only, as what goes through it is not encrypted");
        }
        TRY(server_, listen_on(settings_.listen, door_));
        door_.token = to_hex(crypto::random_bytes(kTokenBytes));
        const net::Endpoint own = server_->local_endpoint();
        for (const std::string& host : {own.to_string(), fmt::format("localhost:{}", own.port)}) {
            door_.authorities.push_back(host);
        }
        if (!settings_.socket.empty()) {
            TRY(socket_, listen_on({.unix_path = settings_.socket}, open_door_));
        }
        return {};
    }

    [[nodiscard]] net::Endpoint endpoint() const { return server_->local_endpoint(); }
    [[nodiscard]] const std::string& token() const { return door_.token; }

    [[nodiscard]] async::Task<void> run() {
        async::TaskGroup servers(executor_);
        servers.spawn(server_->run());
        if (socket_) {
            servers.spawn(socket_->run());
        }
        co_await servers.join();
    }

    [[nodiscard]] async::Task<void> stop(std::chrono::milliseconds grace) {
        if (socket_) {
            co_await socket_->stop(grace);
        }
        co_await server_->stop(grace);
    }

  private:
    [[nodiscard]] Result<std::unique_ptr<net::http::Server>> listen_on(
        net::Endpoint endpoint, const ProxyDoor& door) {
        return net::http::Server::listen(executor_, std::move(endpoint), {},
            [this, &door](Exchange exchange) { return handle(&door, std::move(exchange)); });
    }

    [[nodiscard]] async::Task<void> handle(const ProxyDoor* door, Exchange exchange) {
        const auto shared = std::make_shared<Exchange>(std::move(exchange));
        auto request = co_await make_request(door, shared);
        if (!request) {
            co_await refuse(shared, std::move(request.error()));
            co_return;
        }
        const auto body = request->first.body;
        co_await serve(shared, std::move(request->first), std::move(request->second));
        if (body) {
            co_await body->stop();
        }
    }

    using Prepared = std::pair<PayableRequest, ProxyTarget>;

    [[nodiscard]] async::Task<protocol::Checked<Prepared>> make_request(
        const ProxyDoor* door, std::shared_ptr<Exchange> exchange) {
        auto target = find_proxy_target(exchange->request(), *door);
        if (!target) {
            co_return std::unexpected(std::move(target.error()));
        }
        if (came_from_here(exchange->request().headers)) {
            co_return protocol::refuse(508, protocol::Status::bad_request,
                "the request has passed through this proxy before");
        }
        PayableRequest out;
        out.method = exchange->request().method;
        out.headers = exchange->request().headers;
        strip_for_server(out.headers, *door, *target);
        if (!exchange->expects_continue()) {
            out.headers.remove("Expect");
        }
        out.headers.add("Via", "1.1 " + pseudonym_);
        if (exchange->content_length() != 0) {
            net::http::BodySource source;
            source.length = exchange->content_length();
            source.read = [exchange](
                              std::span<std::uint8_t> buffer) { return exchange->read(buffer); };
            source.trailers = [exchange] { return exchange->trailers(); };
            out.body = ReplayBody::make(executor_, std::move(source),
                {.in_memory = 1U << 20U, .in_all = 1U << 30U, .folder = settings_.cache});
        }
        auto routed = co_await find_routes(*target, &out);
        if (!routed) {
            co_return std::unexpected(problem_of(status_of(routed.error()), routed.error()));
        }
        co_return Prepared(std::move(out), std::move(*target));
    }

    [[nodiscard]] bool came_from_here(const net::http::Headers& headers) const {
        return std::ranges::any_of(headers.all("Via"),
            [&](std::string_view via) { return via.find(pseudonym_) != std::string_view::npos; });
    }

    [[nodiscard]] async::Task<Result<registry::Provider>> find(identity::ProviderName name) {
        if (providers_ == nullptr) {
            co_return fail_with_help(ClientError::usage, "this home knows no chain",
                "decloud up, or write [chain] into config.toml");
        }
        co_return co_await providers_->find(std::move(name));
    }

    // `request` lives in `make_request`, which waits for this.
    [[nodiscard]] async::Task<Result<void>> find_routes(
        ProxyTarget target, PayableRequest* request) {
        if (const auto* ours = std::get_if<ProxyTarget::ToProvider>(&target.where)) {
            CO_TRY(request->provider, co_await find(ours->name));
            CO_TRY(
                request->routes, routes_to(settings_.gateway_url, *request->provider, ours->path));
            co_return Result<void>{};
        }
        const net::Url& url = std::get<ProxyTarget::ToUrl>(target.where).url;
        request->routes.push_back({.url = url, .target = url.target, .name = url.authority()});
        // Our own gateway's path form says which provider it is.
        const auto gateway = net::parse_url(settings_.gateway_url);
        if (gateway && gateway->authority() == url.authority() && url.target.starts_with("/p/")) {
            const auto name = identity::ProviderName::parse(
                std::string_view(url.target).substr(3, url.target.find('/', 3) - 3));
            if (auto provider = name ? co_await find(*name)
                                     : Result<registry::Provider>(fail(CommonError::not_found))) {
                request->provider = std::move(*provider);
            }
        }
        co_return Result<void>{};
    }

    [[nodiscard]] static async::Task<void> refuse(
        std::shared_ptr<Exchange> exchange, Problem problem) {
        ResponseHead head{problem.http_status, {},
            {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"},
                {"Referrer-Policy", "no-referrer"}}};
        for (const auto& [name, value] : problem.headers) {
            head.headers.add(name, value);
        }
        (void)co_await exchange->send(std::move(head), protocol::problem_json(problem));
    }

    /// What the payer says; nothing if the client has gone.
    [[nodiscard]] async::Task<std::optional<Result<Answer>>> ask(
        std::shared_ptr<Exchange> exchange, PayableRequest request) {
        std::optional<Result<Answer>> answer;
        const auto signal = std::make_shared<asio::cancellation_signal>();
        bool gone = false;
        const auto hang_up = exchange->hang_up().on_cancel([signal, &gone] {
            gone = true;
            signal->emit(asio::cancellation_type::all);
        });
        if (gone) {
            co_return std::nullopt;
        }
        try {
            co_await asio::co_spawn(executor_,
                async::contained([](Payer* payer, PayableRequest what,
                                     std::optional<Result<Answer>>* out) -> async::Task<void> {
                    out->emplace(co_await payer->send(std::move(what)));
                }(&payer_, std::move(request), &answer)),
                asio::bind_cancellation_slot(signal->slot(), asio::use_awaitable));
        } catch (const boost::system::system_error&) {
            // Cancelled. What was booked stays booked, as it may have arrived.
            gone = true;
        }
        if (gone) {
            co_return std::nullopt;
        }
        co_return answer;
    }

    [[nodiscard]] async::Task<void> serve(
        std::shared_ptr<Exchange> exchange, PayableRequest request, ProxyTarget target) {
        const net::Url from = request.routes.front().url;
        auto answer = co_await ask(exchange, std::move(request));
        if (!answer) {
            exchange->abort();
            co_return;
        }
        if (!*answer) {
            log::info("pay-proxy", "{}: {}", from.authority(), note(answer->error()));
            co_await refuse(exchange, problem_of(status_of(answer->error()), answer->error()));
            co_return;
        }
        const auto hang_up =
            exchange->hang_up().on_cancel([&upstream = **answer] { upstream.abort(); });
        if (!co_await pass_back(exchange, &**answer, std::move(target), from)) {
            exchange->abort();
        }
    }

    // The answer lives in `serve`, which waits for this.
    [[nodiscard]] static async::Task<bool> pass_back(
        std::shared_ptr<Exchange> exchange, Answer* answer, ProxyTarget target, net::Url from) {
        ResponseHead head = answer->head();
        fit_answer(head.headers, target, from);
        if (const auto& reason = answer->not_paid()) {
            head.headers.set("X-Decloud-Not-Paid", note(*reason));
        }
        if (!co_await exchange->start(std::move(head))) {
            co_return false;
        }
        const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes);
        while (answer->content_length() != 0) {
            const auto got = co_await answer->read({buffer.get(), kBufferBytes});
            if (!got) {
                co_return false;
            }
            if (*got == 0) {
                break;
            }
            if (!co_await exchange->write({buffer.get(), *got})) {
                co_return false;
            }
        }
        co_return (co_await exchange->finish(answer->trailers())).has_value();
    }

    async::Executor executor_;
    PayProxySettings settings_;
    Payer& payer_;
    registry::ProviderSource* providers_;
    std::string pseudonym_ = "decloud-pay-" + to_hex(crypto::random_bytes(8));
    ProxyDoor door_;
    ProxyDoor open_door_;
    std::unique_ptr<net::http::Server> server_;
    std::unique_ptr<net::http::Server> socket_;
};

Result<std::unique_ptr<PayProxy>> PayProxy::start(async::Executor executor,
    PayProxySettings settings,
    Payer& payer,
    registry::ProviderSource* providers) {
    auto impl = std::make_unique<Impl>(std::move(executor), std::move(settings), payer, providers);
    TRY_VOID(impl->listen());
    return std::unique_ptr<PayProxy>(new PayProxy(std::move(impl)));
}

PayProxy::PayProxy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PayProxy::~PayProxy() = default;

net::Endpoint PayProxy::endpoint() const { return impl_->endpoint(); }
const std::string& PayProxy::token() const { return impl_->token(); }
async::Task<void> PayProxy::run() { return impl_->run(); }
async::Task<void> PayProxy::stop(std::chrono::milliseconds grace) { return impl_->stop(grace); }

}  // namespace decloud::client
