#include "client.hpp"

#include "../error.hpp"
#include "../internal/characters.hpp"
#include "../internal/client_impl.hpp"
#include "../internal/client_stream.hpp"
#include "../internal/serialize.hpp"

#include <decloud/async/timeout.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace decloud::net::http {

namespace internal {

namespace {

/// Of one request, each on a connection whose other end did nothing about it.
constexpr std::size_t kMaxAttempts = 3;

bool is_idempotent(std::string_view method) {
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
           method == "DELETE" || method == "TRACE";
}

void append_framing(std::string& head, const ClientRequest& request) {
    if (const auto* source = std::get_if<BodySource>(&request.body)) {
        if (source->length) {
            append_field(head, "Content-Length", fmt::to_string(*source->length));
        } else {
            append_field(head, "Transfer-Encoding", "chunked");
        }
    } else if (const auto* bytes = std::get_if<Bytes>(&request.body)) {
        append_field(head, "Content-Length", fmt::to_string(bytes->size()));
    } else if (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
        append_field(head, "Content-Length", "0");
    }
    if (request.headers.contains("Upgrade")) {
        append_field(head, "Connection", "Upgrade");
    }
}

/// `proxy` leads to `url`, if it is of scheme http.
Result<std::string> make_head(
    const Url& url, const std::optional<Proxy>& proxy, const ClientRequest& request) {
    const std::string& target = request.target.empty() ? url.target : request.target;
    if (!is_token(request.method) || request.method == "CONNECT") {
        return fail(CommonError::invalid_input, "a bad method");
    }
    if (!(target.starts_with('/') || target == "*") ||
        !std::ranges::all_of(target, net::internal::is_target_character)) {
        return fail(CommonError::invalid_input, "a bad request target");
    }
    std::string head;
    head.reserve(512);
    const bool absolute = proxy && url.scheme == Scheme::http;
    head.append(request.method).append(" ");
    if (absolute) {
        head.append("http://").append(url.authority());
    }
    // RFC 9112 §3.2.4: a proxy is told "*" by an authority without a path.
    head.append(absolute && target == "*" ? "" : target).append(" HTTP/1.1\r\n");
    if (absolute && !proxy->authorization.empty()) {
        append_field(head, "Proxy-Authorization", proxy->authorization);
    }
    if (!request.headers.contains("Host")) {
        append_field(head, "Host", url.authority());
    }
    TRY_VOID(append_fields(head, request.headers));
    append_framing(head, request);
    head.append("\r\n");
    return head;
}

/// However `request` is left without a response, by cancellation too, its call is cut off.
struct AbortOnLeave {
    std::shared_ptr<ClientCall> call;
    explicit AbortOnLeave(std::shared_ptr<ClientCall> owned) : call(std::move(owned)) {}
    AbortOnLeave(const AbortOnLeave&) = delete;
    AbortOnLeave& operator=(const AbortOnLeave&) = delete;
    ~AbortOnLeave() {
        if (call) {
            call->abort();
        }
    }
};

std::string pool_key(const Url& url) {
    return url.scheme == Scheme::unix_socket
               ? "unix:" + url.unix_path
               : fmt::format("{}:{}:{}", static_cast<int>(url.scheme), url.host, url.port);
}

}  // namespace

ClientImpl::ClientImpl(async::Executor executor, ClientSettings settings, OutboundPolicy policy)
    : executor_(executor),
      settings_(std::move(settings)),
      policy_(std::move(policy)),
      tasks_(executor),
      sweep_timer_(executor),
      sweep_interval_(std::clamp(
          std::min({settings_.head_timeout, settings_.idle_timeout, settings_.pool_timeout}) / 8,
          std::chrono::milliseconds(5),
          std::chrono::milliseconds(500))),
      now_(std::chrono::steady_clock::now()) {}

async::Task<Result<ClientResponse>> ClientImpl::request(Url url, ClientRequest request) {
    const auto self = shared_from_this();
    std::shared_ptr<ClientConnection> connection;
    if (settings_.http2 && url.scheme == Scheme::https && !request.headers.contains("Upgrade")) {
        CO_TRY_VOID(make_head(url, std::nullopt, request));
        CO_TRY(auto response, co_await send_by_http2(url, &request, &connection));
        if (response) {
            co_return std::move(*response);
        }
    }
    co_return co_await send(
        std::move(url), std::make_shared<ClientRequest>(std::move(request)), std::move(connection));
}

async::Task<Result<std::optional<ClientResponse>>> ClientImpl::send_by_http2(
    Url url, ClientRequest* request, std::shared_ptr<ClientConnection>* connection) {
    // A body that is made while it is sent cannot be sent again.
    const bool repeatable = !std::holds_alternative<BodySource>(request->body);
    for (std::size_t attempt = 1;; ++attempt) {
        CO_TRY(const auto link, co_await link_to(url, connection));
        if (!link) {
            co_return std::nullopt;
        }
        ClientRequest sent = repeatable ? *request : std::move(*request);
        if (sent.target.empty()) {
            sent.target = url.target;
        }
        if (!sent.headers.contains("Host")) {
            sent.headers.add("Host", url.authority());
        }
        auto response = co_await link->request(std::move(sent));
        if (response) {
            co_return std::optional(std::move(*response));
        }
        const bool untouched = response.error() == make_error_code(NetError::connect_failed);
        if (!untouched || !repeatable || attempt == kMaxAttempts) {
            co_return fail(std::move(response.error()));
        }
    }
}

async::Task<Result<std::shared_ptr<Http2Requester>>> ClientImpl::link_to(
    Url url, std::shared_ptr<ClientConnection>* connection) {
    const std::string key = pool_key(url);
    if (auto link = links_.find(key)) {
        co_return link;
    }
    if (const auto found = dialling_.find(key); found != dialling_.end()) {
        const std::shared_ptr<async::Event> dialled = found->second;
        (void)co_await dialled->wait(settings_.connect_timeout);
        if (auto link = links_.find(key)) {
            co_return link;
        }
    }
    *connection = take_pooled(key);
    if (!*connection) {
        const Dialling dialling(*this, key);
        CO_TRY(*connection, co_await open(url, key, true));
    }
    if (stopped_) {
        co_return fail(CommonError::cancelled, "the client was stopped");
    }
    if (!(*connection)->transport->speaks_http2()) {
        co_return nullptr;
    }
    auto link = std::make_shared<Http2Requester>(executor_,
        std::make_unique<ClientStream>(std::exchange(*connection, nullptr)), settings_,
        shared_link_settings(), Liveness{}, "https");
    links_.add(key, link);
    tasks_.spawn(run_link(key, link));
    arm_sweep();
    co_return link;
}

ClientImpl::Dialling::Dialling(ClientImpl& client, std::string key)
    : client_(client), key_(std::move(key)) {
    if (!client_.dialling_.contains(key_)) {
        event_ = std::make_shared<async::Event>(client_.executor_);
        client_.dialling_[key_] = event_;
    }
}

ClientImpl::Dialling::~Dialling() {
    if (event_) {
        client_.dialling_.erase(key_);
        // Who waits runs after what made the connection, which is on it by then.
        event_->set();
    }
}

async::Task<void> ClientImpl::run_link(std::string key, std::shared_ptr<Http2Requester> link) {
    const auto self = shared_from_this();
    co_await link->run();
    links_.remove(key, link);
}

async::Task<Result<ClientResponse>> ClientImpl::send(
    Url url, std::shared_ptr<ClientRequest> shared, std::shared_ptr<ClientConnection> connection) {
    const auto self = shared_from_this();
    CO_TRY(const auto proxy, proxy_for(url));
    CO_TRY(const std::string head, make_head(url, proxy, *shared));
    const std::string key = pool_key(url);
    const bool replayable =
        !std::holds_alternative<BodySource>(shared->body) && is_idempotent(shared->method);
    bool may_use_pool = true;
    for (;;) {
        if (stopped_) {
            co_return fail(CommonError::cancelled, "the client was stopped");
        }
        if (!connection && may_use_pool) {
            connection = take_pooled(key);
        }
        if (!connection) {
            CO_TRY(connection, co_await open(url, key, false));
        }
        const bool pooled = connection->used_before;
        const auto call = std::make_shared<ClientCall>(
            self, std::exchange(connection, nullptr), shared->method == "HEAD");
        AbortOnLeave guard(call);
        auto result = co_await call->run(head, shared);
        if (result) {
            guard.call.reset();
            co_return ClientResponse(call);
        }
        const bool again = settings_.replay_idempotent ? replayable : !call->head_sent();
        if (!(pooled && again && call->failed_stale())) {
            co_return fail(std::move(result.error()));
        }
        may_use_pool = false;
    }
}

async::Task<Result<std::shared_ptr<ClientConnection>>> ClientImpl::open(
    Url url, std::string key, bool offer_http2) {
    if (url.scheme == Scheme::https && !tls_) {
        CO_TRY(tls_, net::internal::make_tls_context(settings_.ca_file));
    }
    CO_TRY(auto proxy, proxy_for(url));
    const std::string where = (proxy ? proxy->url : url).to_string();
    auto transport = co_await async::with_timeout(
        settings_.connect_timeout, net::internal::connect(executor_, std::move(url),
                                       std::move(proxy), policy_, tls_, offer_http2));
    if (!transport) {
        if (transport.error().code() == CommonError::timeout) {
            co_return fail(NetError::connect_failed, where + " did not answer in time");
        }
        co_return fail(std::move(transport.error()));
    }
    ++connections_made_;
    co_return std::make_shared<ClientConnection>(std::move(*transport), std::move(key));
}

Result<std::optional<Proxy>> ClientImpl::proxy_for(const Url& url) const {
    if (!settings_.proxies) {
        return std::nullopt;
    }
    return settings_.proxies->find(url);
}

std::shared_ptr<ClientConnection> ClientImpl::take_pooled(const std::string& key) {
    const auto found = pool_.find(key);
    if (found == pool_.end()) {
        return nullptr;
    }
    auto& idle = found->second;
    while (!idle.empty()) {
        auto connection = std::move(idle.back());
        idle.pop_back();
        if (connection->transport->is_quiet()) {
            connection->read_deadline = TimePoint::max();
            return connection;
        }
        connection->close();
    }
    pool_.erase(found);
    return nullptr;
}

void ClientImpl::give_back(std::shared_ptr<ClientConnection> connection) {
    auto& idle = pool_[connection->key];
    if (stopped_ || idle.size() >= settings_.max_idle_per_host) {
        connection->close();
        return;
    }
    connection->used_before = true;
    connection->read_deadline = now_ + settings_.pool_timeout;
    idle.push_back(std::move(connection));
    arm_sweep();
}

void ClientImpl::add(ClientCall& call) {
    call.list_index_ = calls_.size();
    calls_.push_back(&call);
    arm_sweep();
}

void ClientImpl::remove(ClientCall& call) {
    calls_.back()->list_index_ = call.list_index_;
    calls_[call.list_index_] = calls_.back();
    calls_.pop_back();
}

void ClientImpl::arm_sweep() {
    if (sweep_armed_ || stopped_) {
        return;
    }
    sweep_armed_ = true;
    now_ = std::chrono::steady_clock::now();
    sweep_timer_.expires_after(sweep_interval_);
    sweep_timer_.async_wait([weak = weak_from_this()](boost::system::error_code) {
        if (const auto self = weak.lock()) {
            self->sweep_armed_ = false;
            self->sweep();
        }
    });
}

void ClientImpl::sweep() {
    now_ = std::chrono::steady_clock::now();
    for (ClientCall* call : calls_) {
        if (!call->ended_ && !call->handed_over_) {
            call->check_deadlines(now_);
        }
    }
    for (auto entry = pool_.begin(); entry != pool_.end();) {
        std::erase_if(entry->second,
            [this](const auto& connection) { return connection->read_deadline <= now_; });
        entry = entry->second.empty() ? pool_.erase(entry) : std::next(entry);
    }
    links_.sweep(now_, settings_.pool_timeout);
    if (!calls_.empty() || !pool_.empty() || !links_.empty()) {
        arm_sweep();
    }
}

void ClientImpl::shut_down() {
    stopped_ = true;
    pool_.clear();
    links_.close();
    sweep_timer_.cancel();
    for (ClientCall* call : std::vector(calls_)) {
        call->abort();
    }
}

async::Task<void> ClientImpl::stop() {
    const auto self = shared_from_this();
    shut_down();
    co_await tasks_.join();
}

}  // namespace internal

ClientResponse::ClientResponse(std::shared_ptr<internal::ResponsePort> call)
    : call_(std::move(call)) {}
ClientResponse::ClientResponse(ClientResponse&&) noexcept = default;
ClientResponse& ClientResponse::operator=(ClientResponse&& other) noexcept {
    if (this != &other) {
        abort();
        call_ = std::move(other.call_);
    }
    return *this;
}
ClientResponse::~ClientResponse() { abort(); }

const ResponseHead& ClientResponse::head() const { return call_->head(); }
std::optional<std::uint64_t> ClientResponse::content_length() const {
    return call_->content_length();
}
async::Task<Result<std::size_t>> ClientResponse::read(std::span<std::uint8_t> buffer) {
    return call_->read(buffer);
}
async::Task<Result<Bytes>> ClientResponse::read_all(std::uint64_t max_bytes) {
    return call_->read_all(max_bytes);
}
const Headers& ClientResponse::trailers() const { return call_->trailers(); }
void ClientResponse::abort() {
    if (call_) {
        call_->abort();
    }
}
Result<std::unique_ptr<Stream>> ClientResponse::upgrade() { return call_->upgrade(); }

Client::Client(async::Executor executor, ClientSettings settings, OutboundPolicy policy)
    : impl_(std::make_shared<internal::ClientImpl>(
          std::move(executor), std::move(settings), std::move(policy))) {}
Client::~Client() { impl_->shut_down(); }
async::Task<Result<ClientResponse>> Client::request(Url url, ClientRequest request) {
    return impl_->request(std::move(url), std::move(request));
}
async::Task<void> Client::stop() { return impl_->stop(); }
std::uint64_t Client::connections_made() const { return impl_->connections_made(); }

}  // namespace decloud::net::http
