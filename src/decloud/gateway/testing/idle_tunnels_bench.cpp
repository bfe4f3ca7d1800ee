// Memory of a gateway for each tunnel that is open and idle: idle_tunnels_bench CERTIFICATE KEY
// COUNT. A process of its own opens them, over TLS, with eight to a name. Prints a line of JSON.

#include "../internal/tunnels.hpp"

#include <decloud/async/task_group.hpp>
#include <decloud/async/timeout.hpp>
#include <decloud/base/clock.hpp>
#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/random.hpp>
#include <decloud/identity/delegation.hpp>
#include <decloud/identity/names.hpp>
#include <decloud/net/http/client.hpp>
#include <decloud/net/tls/server_context.hpp>
#include <decloud/net/websocket/byte_stream.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace decloud;  // NOLINT(google-build-using-namespace)
using net::websocket::ByteStream;

constexpr std::size_t kPerName = 8;
constexpr std::size_t kDialling = 16;
const identity::Domain kDomain{.chain_id = 31337, .escrow = Address{{1}}};

/// Every name belongs to one account.
class AnyProvider final : public registry::ProviderSource {
  public:
    explicit AnyProvider(Address account) : account_(account) {}
    async::Task<Result<registry::Provider>> find(identity::ProviderName name) override {
        co_return registry::Provider{.name = name,
            .address = account_,
            .url = net::parse_url("http://127.0.0.1:9").value(),
            .rsa_key = std::nullopt};
    }

  private:
    Address account_;
};

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t whole = 0;
    std::size_t resident = 0;
    file >> whole >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// The gateway's side: tells its port, and what it takes up when it is asked.
int serve(
    const std::string& certificate, const std::string& key, Address account, int in, int out) {
    boost::asio::io_context context(1);
    AnyProvider source(account);
    gateway::internal::TunnelSettings settings;
    settings.domain = kDomain;
    settings.is_own_host = [](std::string_view) { return true; };
    settings.max_tunnels = 1'000'000;
    gateway::internal::Tunnels tunnels(context.get_executor(), source, system_clock(), settings);
    net::http::ServerSettings server_settings;
    server_settings.max_connections = 1'000'000;
    server_settings.tls = net::TlsServerContext::load(certificate, key).value();
    auto server = net::http::Server::listen(context.get_executor(),
        {net::IpAddress::v4({127, 0, 0, 1}), 0, {}}, server_settings,
        [&](net::http::Exchange exchange) {
            return tunnels.accept(std::move(exchange));
        }).value();
    boost::asio::co_spawn(context, server->run(), boost::asio::detached);
    const auto tell = [out](std::size_t number) {
        return ::write(out, &number, sizeof number) == sizeof number;
    };
    if (!tell(server->local_endpoint().port)) {
        return 1;
    }
    // Each byte that comes is a question.
    boost::asio::posix::stream_descriptor questions(context, in);
    std::array<char, 1> one{};
    std::function<void()> listen = [&] {
        questions.async_read_some(
            boost::asio::buffer(one), [&](boost::system::error_code error, std::size_t) {
                if (!error && tell(tunnels.size()) && tell(resident_bytes())) {
                    listen();
                } else {
                    context.stop();
                }
            });
    };
    listen();
    context.run();
    std::_Exit(0);
}

/// The providers' side.
class Openers {
  public:
    Openers(async::Executor executor,
        const std::string& certificate,
        std::uint16_t port,
        crypto::Secp256k1PrivateKey account)
        : executor_(executor),
          url_(net::parse_url(fmt::format("https://localhost:{}", port)).value()),
          account_(std::move(account)),
          client_(executor, client_settings(certificate), net::OutboundPolicy::trusted()),
          links_(executor) {}

    async::Task<void> open(std::size_t from, std::size_t to) {
        async::TaskGroup dialling(executor_);
        for (std::size_t task = 0; task < kDialling; ++task) {
            dialling.spawn(open_every(from + task, to));
        }
        co_await dialling.join();
    }

  private:
    static net::http::ClientSettings client_settings(const std::string& certificate) {
        net::http::ClientSettings settings;
        settings.ca_file = certificate;
        settings.connect_timeout = std::chrono::minutes(1);
        return settings;
    }

    async::Task<void> open_every(std::size_t from, std::size_t to) {
        for (std::size_t index = from; index < to; index += kDialling) {
            if (const auto opened = co_await open_one(index); !opened) {
                fmt::print(stderr, "{}\n", opened.error().message());
                std::_Exit(1);
            }
        }
    }

    async::Task<Result<void>> open_one(std::size_t index) {
        CO_TRY(auto response,
            co_await client_.request(
                url_, {.target = std::string(identity::kTunnelPath),
                          .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"},
                              {"Sec-WebSocket-Key", to_base64(crypto::random_bytes(16))},
                              {"Sec-WebSocket-Protocol", identity::kTunnelProtocol}}}));
        CO_TRY(auto upgraded, response.upgrade());
        auto stream =
            std::make_unique<ByteStream>(std::move(upgraded), net::websocket::Role::client);
        CO_TRY(const Bytes challenge, co_await stream->read_message(4096));
        CO_TRY(const json::Value parsed, json::parse(as_text(challenge), {.max_bytes = 4096}));
        CO_TRY(std::string nonce, json::string_member(parsed.get_object(), "nonce"));
        CO_TRY(
            const auto name, identity::ProviderName::parse(fmt::format("p{}", index / kPerName)));
        CO_TRY(
            auto delegation, identity::make_delegation(account_, name.node(), key_.public_key(), 0,
                                 system_clock().unix_seconds(), std::chrono::hours(24), kDomain));
        identity::TunnelClaim claim{.name = name.full(),
            .epoch = 1,
            .instance = "1",
            .delegation = delegation,
            .signature = {}};
        identity::sign_tunnel_claim(claim,
            {.host = url_.authority(),
                .nonce = std::move(nonce),
                .exporter = stream->exporter(identity::kTunnelExporter)},
            key_);
        CO_TRY_VOID(co_await stream->write(as_bytes(identity::format_tunnel_claim(claim))));
        CO_TRY(const Bytes answer, co_await stream->read_message(4096));
        if (as_text(answer).find("error") != std::string_view::npos) {
            co_return fail(CommonError::permission_denied, std::string(as_text(answer)));
        }
        const auto link = std::make_shared<net::http::Http2Responder>(
            executor_, std::move(stream), net::PeerAddress{}, net::http::ServerSettings{},
            [](net::http::Exchange exchange) -> async::Task<void> {
                (void)co_await exchange.send({}, std::string("here"));
            },
            net::http::Liveness{});
        links_.spawn([](std::shared_ptr<net::http::Http2Responder> one) -> async::Task<void> {
            co_await one->run();
        }(link));
        co_return Result<void>{};
    }

    async::Executor executor_;
    net::Url url_;
    crypto::Secp256k1PrivateKey account_;
    crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::generate();
    net::http::Client client_;
    async::TaskGroup links_;
};

/// Tunnels that the gateway counts, and its bytes.
std::pair<std::size_t, std::size_t> ask(int out, int in) {
    std::array<std::size_t, 2> told{};
    if (::write(out, "?", 1) != 1) {
        std::_Exit(1);
    }
    for (std::size_t& number : told) {
        if (::read(in, &number, sizeof number) != sizeof number) {
            std::_Exit(1);
        }
    }
    return {told[0], told[1]};
}

async::Task<void> measure(
    std::shared_ptr<Openers> openers, std::size_t count, int questions, int answers) {
    // What the first ones bring with them is not a tunnel's.
    constexpr std::size_t kFirst = 64;
    co_await openers->open(0, kFirst);
    const auto before = ask(questions, answers);
    co_await openers->open(kFirst, kFirst + count);
    // So that all is at rest.
    co_await async::delay(std::chrono::seconds(3));
    const auto after = ask(questions, answers);
    const std::size_t tunnels = after.first - before.first;
    fmt::print("{{\"tunnels\":{},\"bytes_each\":{}}}\n", tunnels,
        tunnels == 0 ? 0 : (after.second - before.second) / tunnels);
    (void)std::fflush(stdout);
    std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
    std::size_t count = 0;
    if (arguments.size() == 4) {
        const std::string_view text = arguments[3];
        std::from_chars(text.data(), text.data() + text.size(), count);
    }
    if (count == 0) {
        fmt::print(stderr, "idle_tunnels_bench CERTIFICATE KEY COUNT\n");
        return 64;
    }
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    auto account = crypto::Secp256k1PrivateKey::generate();
    std::array<int, 2> questions{};
    std::array<int, 2> answers{};
    if (::pipe(questions.data()) != 0 || ::pipe(answers.data()) != 0) {
        return 1;
    }
    if (::fork() == 0) {
        ::close(questions[1]);
        return serve(arguments[1], arguments[2], account.address(), questions[0], answers[1]);
    }
    ::close(questions[0]);
    std::size_t port = 0;
    if (::read(answers[0], &port, sizeof port) != sizeof port) {
        return 1;
    }
    boost::asio::io_context context(1);
    const auto openers = std::make_shared<Openers>(
        context.get_executor(), arguments[1], static_cast<std::uint16_t>(port), std::move(account));
    boost::asio::co_spawn(
        context, measure(openers, count, questions[1], answers[0]), boost::asio::detached);
    context.run();
    return 1;
}
