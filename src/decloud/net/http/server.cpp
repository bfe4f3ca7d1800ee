#include "server.hpp"

#include "../error.hpp"
#include "../internal/exchange_port.hpp"
#include "../internal/local_address.hpp"
#include "../internal/server_impl.hpp"

#include <decloud/async/timeout.hpp>
#include <decloud/base/log.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace decloud::net::http {

namespace internal {

namespace asio = boost::asio;

ServerImpl::ServerImpl(async::Executor executor,
    Acceptor acceptor,
    Endpoint endpoint,
    ServerSettings settings,
    Handler handler)
    : executor_(executor),
      acceptor_(std::move(acceptor)),
      endpoint_(std::move(endpoint)),
      settings_(settings),
      handler_(std::move(handler)),
      tasks_(executor),
      room_(executor),
      empty_(executor),
      sweep_timer_(executor),
      sweep_interval_(std::clamp(std::min({settings.header_timeout, settings.body_timeout,
                                     settings.idle_timeout, settings.write_timeout}) /
                                     8,
          std::chrono::milliseconds(5),
          std::chrono::milliseconds(500))),
      now_(std::chrono::steady_clock::now()),
      run_ended_(executor) {
    room_.set();
    empty_.set();
}

ServerImpl::~ServerImpl() {
    if (endpoint_.is_unix()) {
        ::unlink(endpoint_.unix_path.c_str());
    }
}

void ServerImpl::add(ServerConnection& connection) {
    connection.list_index_ = connections_.size();
    connections_.push_back(&connection);
    empty_.reset();
    if (connections_.size() >= settings_.max_connections) {
        room_.reset();
    }
    arm_sweep();
}

void ServerImpl::remove(ServerConnection& connection) {
    connections_.back()->list_index_ = connection.list_index_;
    connections_[connection.list_index_] = connections_.back();
    connections_.pop_back();
    if (!room_.is_set() && connections_.size() < settings_.max_connections) {
        room_.set();
    }
    if (connections_.empty()) {
        empty_.set();
        sweep_timer_.cancel();
    }
}

void ServerImpl::arm_sweep() {
    if (sweep_armed_) {
        return;
    }
    sweep_armed_ = true;
    now_ = std::chrono::steady_clock::now();
    sweep_timer_.expires_after(sweep_interval_);
    sweep_timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
        self->sweep_armed_ = false;
        if (!self->connections_.empty()) {
            self->sweep();
            self->arm_sweep();
        }
    });
}

void ServerImpl::sweep() {
    now_ = std::chrono::steady_clock::now();
    std::vector<std::shared_ptr<ServerConnection>> expired;
    for (ServerConnection* connection : connections_) {
        if (now_ >= connection->read_deadline_ || now_ >= connection->write_deadline_) {
            expired.push_back(connection->shared_from_this());
        }
    }
    for (const auto& connection : expired) {
        connection->check_deadlines(now_);
    }
}

template <class OneAcceptor>
async::Task<void> ServerImpl::accept_from(OneAcceptor& acceptor) {
    while (!stopping_) {
        if (!room_.is_set()) {
            (void)co_await room_.wait(std::chrono::seconds(1));
            continue;
        }
        boost::system::error_code error;
        auto accepted =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (stopping_ || error == asio::error::operation_aborted) {
            break;
        }
        if (error) {
            log::warning("net", "cannot accept a connection: {}", error.message());
            co_await async::delay(std::chrono::milliseconds(100));
            continue;
        }
        const auto connection = std::make_shared<ServerConnection>(
            shared_from_this(), net::internal::Socket(std::move(accepted)));
        if (!connection->peer().is_unix && connection->peer().port == 0) {
            // It has gone already; who it was cannot be known, and no address may be a trusted one.
            continue;
        }
        tasks_.spawn(connection->serve());
    }
}

void ServerImpl::serve(net::internal::Socket socket) {
    if (!stopping_ && connections_.size() < settings_.max_connections) {
        const auto connection =
            std::make_shared<ServerConnection>(shared_from_this(), std::move(socket));
        tasks_.spawn(connection->serve());
    }
}

async::Task<void> ServerImpl::run() {
    const auto self = shared_from_this();
    if (stopping_) {
        co_return;
    }
    running_ = true;
    co_await std::visit([this](auto& acceptor) { return accept_from(acceptor); }, acceptor_);
    running_ = false;
    run_ended_.set();
}

async::Task<void> ServerImpl::stop(std::chrono::milliseconds grace) {
    const auto self = shared_from_this();
    stopping_ = true;
    room_.set();
    std::visit(
        [](auto& acceptor) {
            boost::system::error_code ignored;
            acceptor.close(ignored);
        },
        acceptor_);
    const auto each = [this](auto action) {
        std::vector<std::shared_ptr<ServerConnection>> all;
        all.reserve(connections_.size());
        for (ServerConnection* connection : connections_) {
            all.push_back(connection->shared_from_this());
        }
        std::ranges::for_each(all, action);
    };
    each([](const auto& connection) { connection->start_draining(); });
    if (!connections_.empty()) {
        (void)co_await empty_.wait(grace);
    }
    each([](const auto& connection) { connection->cut_off(); });
    co_await tasks_.join();
    sweep_timer_.cancel();
    if (running_) {
        (void)co_await run_ended_.wait(std::chrono::seconds(5));
    }
}

}  // namespace internal

Exchange::Exchange(std::shared_ptr<internal::ExchangePort> connection, std::uint64_t serial)
    : connection_(std::move(connection)), serial_(serial) {}
Exchange::Exchange(Exchange&&) noexcept = default;
Exchange& Exchange::operator=(Exchange&&) noexcept = default;
Exchange::~Exchange() = default;

const RequestHead& Exchange::request() const { return connection_->request(); }
const PeerAddress& Exchange::peer() const { return connection_->peer(); }
std::optional<std::uint64_t> Exchange::content_length() const { return connection_->body_length(); }
bool Exchange::expects_continue() const { return connection_->continue_owed(); }
async::Task<Result<std::size_t>> Exchange::read(std::span<std::uint8_t> buffer) {
    return connection_->read_body(serial_, buffer);
}
async::Task<Result<Bytes>> Exchange::read_all(std::uint64_t max_bytes) {
    return connection_->read_all(serial_, max_bytes);
}
const Headers& Exchange::trailers() const { return connection_->request_trailers(); }
async::Task<Result<void>> Exchange::send(ResponseHead head, Bytes body) {
    return connection_->send(serial_, std::move(head), std::move(body));
}
async::Task<Result<void>> Exchange::send(ResponseHead head, std::string body) {
    return connection_->send(serial_, std::move(head), std::move(body));
}
async::Task<Result<void>> Exchange::start(ResponseHead head) {
    return connection_->start(serial_, std::move(head));
}
async::Task<Result<void>> Exchange::write(BytesView bytes) {
    return connection_->write_body(serial_, bytes);
}
async::Task<Result<void>> Exchange::finish(Headers trailers) {
    return connection_->finish(serial_, std::move(trailers));
}
async::Task<Result<void>> Exchange::accept_connect() {
    return connection_->accept_connect(serial_);
}
bool Exchange::through_connect() const { return connection_->through_connect(); }
bool Exchange::answered() const { return connection_->answered(); }
void Exchange::abort() {
    if (connection_->is_current(serial_)) {
        connection_->abort();
    }
}
async::CancellationToken Exchange::hang_up() {
    if (!connection_->is_current(serial_)) {
        return {};
    }
    return connection_->hang_up();
}
async::Task<Result<std::unique_ptr<Stream>>> Exchange::upgrade(ResponseHead head) {
    return connection_->upgrade(serial_, std::move(head));
}

namespace {

namespace asio = boost::asio;

Error listen_error(const Endpoint& endpoint, const boost::system::error_code& error) {
    if (error == asio::error::address_in_use) {
        return {NetError::address_in_use,
            endpoint.is_unix()
                ? fmt::format("{} is in use", endpoint.to_string())
                : fmt::format("port {} of {} is in use", endpoint.port, endpoint.ip.to_string())};
    }
    return errno_error(fmt::format("listen on {}", endpoint.to_string()), error.value());
}

template <class Acceptor, class Address>
boost::system::error_code open_and_listen(Acceptor& acceptor, const Address& address) {
    boost::system::error_code error;
    acceptor.open(address.protocol(), error);
    if constexpr (std::is_same_v<Acceptor, asio::ip::tcp::acceptor>) {
        if (!error) {
            acceptor.set_option(asio::socket_base::reuse_address(true), error);
        }
    }
    if (!error) {
        acceptor.bind(address, error);
    }
    if constexpr (!std::is_same_v<Acceptor, asio::ip::tcp::acceptor>) {
        // Nobody can connect before listen, so the mode is right in time.
        if (!error && ::chmod(address.path().c_str(), S_IRUSR | S_IWUSR) != 0) {
            error = {errno, boost::system::system_category()};
        }
    }
    if (!error) {
        acceptor.listen(4096, error);
    }
    return error;
}

/// Removes a socket file to which nobody listens any more.
void remove_stale_socket(async::Executor executor,
    const std::string& path,
    const asio::local::stream_protocol::endpoint& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    asio::local::stream_protocol::socket probe(executor);
    boost::system::error_code error;
    probe.connect(address, error);
    if (error == asio::error::connection_refused) {
        ::unlink(path.c_str());
    }
}

Result<internal::ServerImpl::Acceptor> make_acceptor(async::Executor executor, Endpoint& endpoint) {
    if (endpoint.is_unix()) {
        TRY(const auto address, net::internal::LocalAddress::of(endpoint.unix_path));
        remove_stale_socket(executor, endpoint.unix_path, address.endpoint());
        asio::local::stream_protocol::acceptor acceptor(executor);
        if (const auto error = open_and_listen(acceptor, address.endpoint())) {
            return fail(listen_error(endpoint, error));
        }
        return acceptor;
    }
    asio::ip::tcp::acceptor acceptor(executor);
    boost::system::error_code error;
    const auto ip = asio::ip::make_address(endpoint.ip.to_string(), error);
    if (!error) {
        error = open_and_listen(acceptor, asio::ip::tcp::endpoint(ip, endpoint.port));
    }
    if (error) {
        return fail(listen_error(endpoint, error));
    }
    endpoint.port = acceptor.local_endpoint(error).port();
    return acceptor;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(
    async::Executor executor, Endpoint endpoint, ServerSettings settings, Handler handler) {
    TRY(auto acceptor, make_acceptor(executor, endpoint));
    return std::unique_ptr<Server>(
        new Server(std::make_shared<internal::ServerImpl>(std::move(executor), std::move(acceptor),
            std::move(endpoint), settings, std::move(handler))));
}

Server::Server(std::shared_ptr<internal::ServerImpl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
Endpoint Server::local_endpoint() const { return impl_->endpoint(); }
async::Task<void> Server::run() { return impl_->run(); }
async::Task<void> Server::stop(std::chrono::milliseconds grace) { return impl_->stop(grace); }
std::size_t Server::connections() const { return impl_->connections(); }

}  // namespace decloud::net::http
