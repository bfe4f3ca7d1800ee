#include "forward_proxy.hpp"

#include "../error.hpp"
#include "../forwarding.hpp"
#include "../internal/server_impl.hpp"
#include "../internal/transport.hpp"
#include "../relay.hpp"
#include "client.hpp"

#include <decloud/async/event.hpp>
#include <decloud/async/task_group.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

namespace decloud::net::http {

namespace {

namespace asio = boost::asio;

constexpr int kBadRequest = 400;
constexpr int kForbidden = 403;
constexpr int kBadGateway = 502;
constexpr int kGatewayTimeout = 504;
constexpr std::size_t kBufferBytes = std::size_t{16} * 1024;
constexpr std::size_t kMaxTargetBytes = std::size_t{8} * 1024;
constexpr std::string_view kMalformed = "http_request_error";
constexpr std::string_view kProxyStatus = "Proxy-Status";

/// A connection to a host as a Stream.
class TransportStream final : public Stream {
  public:
    explicit TransportStream(std::unique_ptr<net::internal::Transport> transport)
        : transport_(std::move(transport)) {}
    async::Task<Result<std::size_t>> read(std::span<std::uint8_t> buffer) override {
        return transport_->read(buffer);
    }
    async::Task<Result<void>> write(BytesView bytes) override {
        net::internal::WriteParts parts;
        parts.parts[0] = bytes;
        return transport_->write(parts);
    }
    void shutdown_write() override { transport_->shutdown_write(); }
    void close() override { transport_->close(); }

  private:
    std::unique_ptr<net::internal::Transport> transport_;
};

/// Why a request is not passed on.
struct Refusal {
    int status = kForbidden;
    /// A type of RFC 9209 §2.3.
    std::string_view type = "http_request_denied";
    std::string reason{};
};

/// Where the way to a host ended. `late` is what a time limit means; `slow` says that the limit for
/// connecting has passed.
Refusal refusal_of(const Error& error, std::string_view late, bool slow) {
    if (error == make_error_code(NetError::address_forbidden)) {
        return {kForbidden, "destination_ip_prohibited", error.message()};
    }
    if (error == make_error_code(CommonError::timeout)) {
        return {kGatewayTimeout, late, error.message()};
    }
    std::string_view type = "proxy_internal_error";
    if (error == make_error_code(NetError::name_not_found)) {
        type = "dns_error";
    } else if (error == make_error_code(NetError::connect_failed)) {
        type = slow ? "connection_timeout" : "connection_refused";
    } else if (error == make_error_code(NetError::tls_failed)) {
        type = error.message().contains("certificate") ? "tls_certificate_error"
                                                       : "tls_protocol_error";
    } else if (error == make_error_code(NetError::connection_closed)) {
        type = "connection_terminated";
    } else if (error == make_error_code(NetError::malformed_message)) {
        type = "http_protocol_error";
    }
    return {kBadGateway, type, error.message()};
}

/// For Asio, which wants results that can be made empty.
template <class T>
async::Task<std::optional<Result<T>>> as_optional(async::Task<Result<T>> task) {
    co_return co_await std::move(task);
}

/// `task`'s result, or an error after `limit` or when the client has gone; then it is cancelled and
/// awaited.
template <class T>
async::Task<Result<T>> unless_gone(async::CancellationToken gone,
    std::chrono::steady_clock::duration limit,
    async::Task<Result<T>> task) {
    const auto executor = co_await asio::this_coro::executor;
    async::Event left(executor);
    const auto registration = gone.on_cancel([&left] { left.set(); });
    auto [order, failure, result, other_failure, waited] =
        co_await asio::experimental::make_parallel_group(
            asio::co_spawn(executor, as_optional(std::move(task)), asio::deferred),
            asio::co_spawn(executor, left.wait(limit), asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (!failure && result) {
        co_return std::move(*result);
    }
    if (order[0] == 0 && failure) {
        std::rethrow_exception(failure);
    }
    co_return fail(waited ? CommonError::cancelled : CommonError::timeout);
}

/// Of a head as it is written, but for its first line.
std::size_t size_of(const Headers& headers) {
    std::size_t size = 2;
    for (const Headers::Field field : headers) {
        size += field.name.size() + field.value.size() + 4;
    }
    return size;
}

ServerSettings server_settings(const ForwardProxySettings& settings) {
    ServerSettings out;
    out.limits.max_target_bytes = kMaxTargetBytes;
    out.max_connections = settings.max_connections;
    out.body_timeout = settings.idle_timeout;
    out.write_timeout = settings.idle_timeout;
    out.connect = ConnectRequests::parsed;
    return out;
}

ClientSettings client_settings(const ForwardProxySettings& settings) {
    ClientSettings out;
    out.connect_timeout = settings.connect_timeout;
    out.head_timeout = settings.idle_timeout;
    out.idle_timeout = settings.idle_timeout;
    out.replay_idempotent = false;
    return out;
}

}  // namespace

class ForwardProxy::Impl {
  public:
    Impl(async::Executor executor, asio::ip::tcp::acceptor acceptor, ForwardProxySettings settings)
        : executor_(executor),
          settings_(std::move(settings)),
          client_(executor, client_settings(settings_), settings_.policy),
          server_(std::make_shared<internal::ServerImpl>(executor,
              std::move(acceptor),
              Endpoint{},
              server_settings(settings_),
              [this](Exchange exchange) { return answer(std::move(exchange)); })),
          tasks_(executor) {}

    void listen() { tasks_.spawn(server_->run()); }
    void add(int socket) {
        net::internal::Socket connection(executor_);
        boost::system::error_code error;
        connection.assign(asio::generic::stream_protocol(AF_UNIX, 0), socket, error);
        if (error) {
            ::close(socket);
            return;
        }
        server_->serve(std::move(connection));
    }

    [[nodiscard]] const ForwardProxyUse& use() const { return use_; }
    [[nodiscard]] async::Task<void> stop() {
        for (Relay* relay : std::vector(relays_.begin(), relays_.end())) {
            relay->close();
        }
        co_await server_->stop(std::chrono::milliseconds(0));
        for (Relay* relay : std::vector(relays_.begin(), relays_.end())) {
            relay->close();
        }
        co_await client_.stop();
        co_await tasks_.join();
    }

  private:
    [[nodiscard]] async::Task<void> answer(Exchange exchange);
    [[nodiscard]] async::Task<void> refuse(Exchange* exchange, Refusal refusal);
    /// What may be asked for, or why not.
    [[nodiscard]] std::expected<Url, Refusal> judge(const RequestHead& head) const;
    [[nodiscard]] async::Task<void> open_tunnel(Exchange* exchange, Url url);
    [[nodiscard]] async::Task<void> pass_on(std::shared_ptr<Exchange> exchange, Url url);
    [[nodiscard]] ClientRequest make_request(
        const std::shared_ptr<Exchange>& exchange, const Url& url);
    [[nodiscard]] async::Task<void> pass_back(Exchange* exchange, ClientResponse* response);
    /// Counts; false: no more may pass.
    bool count(RelayDirection direction, std::size_t bytes);
    [[nodiscard]] std::uint64_t allowance() const;
    [[nodiscard]] bool is_used_up() const {
        return use_.sent_bytes + use_.received_bytes >= allowance();
    }

    async::Executor executor_;
    ForwardProxySettings settings_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    ForwardProxyUse use_;
    std::unordered_set<Relay*> relays_;
    Client client_;
    std::shared_ptr<internal::ServerImpl> server_;
    async::TaskGroup tasks_;
};

std::uint64_t ForwardProxy::Impl::allowance() const {
    const auto hours =
        std::chrono::floor<std::chrono::hours>(std::chrono::steady_clock::now() - began_);
    return settings_.max_bytes_per_hour * (1 + static_cast<std::uint64_t>(hours.count()));
}

bool ForwardProxy::Impl::count(RelayDirection direction, std::size_t bytes) {
    if (is_used_up()) {
        return false;
    }
    (direction == RelayDirection::to_server ? use_.sent_bytes : use_.received_bytes) += bytes;
    return true;
}

async::Task<void> ForwardProxy::Impl::answer(Exchange exchange) {
    auto url = judge(exchange.request());
    if (url && is_used_up()) {
        url = std::unexpected(Refusal{.reason = "the bytes that may pass in an hour are used up"});
    }
    if (!url) {
        ++use_.refused;
        co_await refuse(&exchange, std::move(url.error()));
        co_return;
    }
    ++use_.requests;
    if (exchange.request().method == "CONNECT") {
        co_await open_tunnel(&exchange, std::move(*url));
    } else {
        co_await pass_on(std::make_shared<Exchange>(std::move(exchange)), std::move(*url));
    }
}

async::Task<void> ForwardProxy::Impl::refuse(Exchange* exchange, Refusal refusal) {
    ResponseHead head;
    head.status = refusal.status;
    head.headers.add("Content-Type", "text/plain; charset=utf-8");
    head.headers.add(kProxyStatus, fmt::format("decloud; error={}", refusal.type));
    (void)co_await exchange->send(std::move(head), "the way out: " + refusal.reason + "\n");
}

std::expected<Url, Refusal> ForwardProxy::Impl::judge(const RequestHead& head) const {
    const bool is_connect = head.method == "CONNECT";
    if (!is_connect && (head.target.starts_with('/') || head.target == "*")) {
        return std::unexpected(Refusal{
            kBadRequest, kMalformed, "this is an HTTP proxy, which is asked for whole URLs"});
    }
    const auto url = parse_url(is_connect ? "http://" + head.target : head.target);
    if (!url || (is_connect && url->target != "/")) {
        return std::unexpected(Refusal{
            kBadRequest, kMalformed, url ? "CONNECT wants HOST:PORT" : url.error().detail()});
    }
    if (url->scheme != Scheme::http && !settings_.https_urls) {
        return std::unexpected(Refusal{kBadRequest, kMalformed, "https goes through CONNECT"});
    }
    if (!is_host_name(url->host)) {
        return std::unexpected(
            Refusal{.reason = fmt::format("{} is no name: addresses are not reached", url->host)});
    }
    if (!allows(settings_.hosts, url->host, url->port)) {
        return std::unexpected(
            Refusal{.reason = fmt::format("{}:{} is not among the hosts that the function asks for",
                        url->host, url->port)});
    }
    return *url;
}

async::Task<void> ForwardProxy::Impl::open_tunnel(Exchange* exchange, Url url) {
    auto host = co_await unless_gone(exchange->hang_up(), settings_.connect_timeout,
        net::internal::connect(
            executor_, std::move(url), std::nullopt, settings_.policy, nullptr, false));
    if (!host) {
        co_await refuse(exchange, refusal_of(host.error(), "connection_timeout", false));
        co_return;
    }
    auto client = co_await exchange->upgrade({});
    if (!client) {
        co_return;
    }
    const auto relay = std::make_shared<Relay>(executor_, std::move(*client),
        std::make_unique<TransportStream>(std::move(*host)),
        RelaySettings{.idle = settings_.idle_timeout,
            .on_bytes = [this](RelayDirection direction,
                            std::size_t bytes) { return count(direction, bytes); }},
        [this](Relay& ended) { relays_.erase(&ended); });
    relays_.insert(relay.get());
    relay->start(tasks_);
}

ClientRequest ForwardProxy::Impl::make_request(
    const std::shared_ptr<Exchange>& exchange, const Url& url) {
    const RequestHead& head = exchange->request();
    ClientRequest request;
    request.method = head.method;
    request.target = url.target;
    request.headers = head.headers;
    strip_hop_by_hop(request.headers);
    request.headers.remove("Content-Length");
    request.headers.set("Host", url.authority());
    const auto length = exchange->content_length();
    if (length != 0U) {
        BodySource body;
        body.length = length;
        body.read = [this, exchange](
                        std::span<std::uint8_t> buffer) -> async::Task<Result<std::size_t>> {
            return [](Impl* self, std::shared_ptr<Exchange> from,
                       std::span<std::uint8_t> into) -> async::Task<Result<std::size_t>> {
                auto got = co_await from->read(into);
                if (got && *got > 0 && !self->count(RelayDirection::to_server, *got)) {
                    co_return fail(CommonError::limit_exceeded);
                }
                co_return got;
            }(this, exchange, buffer);
        };
        request.body = std::move(body);
    } else if (head.headers.contains("Content-Length")) {
        request.body = Bytes{};
    }
    return request;
}

async::Task<void> ForwardProxy::Impl::pass_on(std::shared_ptr<Exchange> exchange, Url url) {
    ClientRequest request = make_request(exchange, url);
    count(RelayDirection::to_server,
        request.method.size() + request.target.size() + 12 + size_of(request.headers));
    const auto began = std::chrono::steady_clock::now();
    // The client's own limits of time end it.
    auto response = co_await unless_gone(exchange->hang_up(), std::chrono::hours(24),
        client_.request(std::move(url), std::move(request)));
    if (!response) {
        const bool slow = std::chrono::steady_clock::now() - began >= settings_.connect_timeout;
        co_await refuse(
            exchange.get(), refusal_of(response.error(), "http_response_timeout", slow));
        co_return;
    }
    const auto hang_up = exchange->hang_up().on_cancel([&response] { response->abort(); });
    co_await pass_back(exchange.get(), &*response);
}

async::Task<void> ForwardProxy::Impl::pass_back(Exchange* exchange, ClientResponse* response) {
    ResponseHead head = response->head();
    count(RelayDirection::to_client, 15 + head.reason.size() + size_of(head.headers));
    if (head.status < 200) {
        co_await refuse(
            exchange, {kBadGateway, "http_upgrade_failed", "the host wants another protocol"});
        co_return;
    }
    strip_hop_by_hop(head.headers);
    // What it says is the proxy's own word.
    head.headers.remove(kProxyStatus);
    if (!co_await exchange->start(std::move(head))) {
        exchange->abort();
        co_return;
    }
    const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes);
    for (;;) {
        const auto got = co_await response->read({buffer.get(), kBufferBytes});
        if (got && *got == 0) {
            break;
        }
        if (!got || !count(RelayDirection::to_client, *got) ||
            !co_await exchange->write({buffer.get(), *got})) {
            exchange->abort();
            co_return;
        }
    }
    (void)co_await exchange->finish(response->trailers());
}

Result<std::unique_ptr<ForwardProxy>> ForwardProxy::serve(
    async::Executor executor, int listener, ForwardProxySettings settings) {
    asio::ip::tcp::acceptor acceptor(executor);
    boost::system::error_code error;
    acceptor.assign(asio::ip::tcp::v4(), listener, error);
    if (error) {
        ::close(listener);
        return fail(errno_error("taking over a listener", error.value()));
    }
    auto impl =
        std::make_unique<Impl>(std::move(executor), std::move(acceptor), std::move(settings));
    impl->listen();
    return std::unique_ptr<ForwardProxy>(new ForwardProxy(std::move(impl)));
}

std::unique_ptr<ForwardProxy> ForwardProxy::make(
    async::Executor executor, ForwardProxySettings settings) {
    asio::ip::tcp::acceptor none(executor);
    return std::unique_ptr<ForwardProxy>(new ForwardProxy(
        std::make_unique<Impl>(std::move(executor), std::move(none), std::move(settings))));
}

ForwardProxy::ForwardProxy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ForwardProxy::~ForwardProxy() = default;
void ForwardProxy::add(int socket) { impl_->add(socket); }
ForwardProxyUse ForwardProxy::use() const { return impl_->use(); }
async::Task<void> ForwardProxy::stop() { return impl_->stop(); }

}  // namespace decloud::net::http
