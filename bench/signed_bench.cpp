// Requests to a service, signed or not: signed_bench URL AUDIENCE CONNECTIONS SECONDS [unsigned].
// Each connection has an OpenCloud id of its own and takes each answer's nonce for the next
// request. The answers' signatures are not verified: that is the client's cost. Prints a line of
// JSON.

#include <decloud/async/task_group.hpp>
#include <decloud/client/request_signer.hpp>
#include <decloud/net/http/client.hpp>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace decloud;  // NOLINT(google-build-using-namespace)
using SteadyClock = std::chrono::steady_clock;

struct Load {
    net::Url url;
    std::string audience;
    bool is_signed = true;
    SteadyClock::time_point end;
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;
};

async::Task<void> one_connection(net::http::Client& client, Load& load) {
    client::RequestSigner signer(
        crypto::Ed25519PrivateKey::generate(), load.audience, system_clock());
    const Bytes body = to_bytes("thirty-two bytes, as a hash has it");
    const crypto::Sha256Digest content = crypto::sha256(body);
    while (SteadyClock::now() < load.end) {
        net::http::ClientRequest request;
        request.method = "POST";
        request.target = load.url.target;
        request.body = body;
        if (load.is_signed &&
            !signer.sign(request.method, request.target, content, request.headers)) {
            std::exit(1);
        }
        auto response = co_await client.request(load.url, std::move(request));
        if (!response || !co_await response->read_all(64 * 1024)) {
            ++load.refused;
            continue;
        }
        // The first of each connection is refused with a nonce.
        const bool is_refresh = load.is_signed && signer.learn(response->head());
        load.answered += response->status() == 200 ? 1 : 0;
        load.refused += response->status() == 200 || is_refresh ? 0 : 1;
    }
}

async::Task<void> all_connections(
    async::Executor executor, net::http::Client& client, Load& load, std::size_t count) {
    async::TaskGroup group(executor);
    for (std::size_t i = 0; i < count; ++i) {
        group.spawn(one_connection(client, load));
    }
    co_await group.join();
    co_await client.stop();
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
    if (arguments.size() < 5) {
        fmt::print(stderr, "signed_bench URL AUDIENCE CONNECTIONS SECONDS [unsigned]\n");
        return 64;
    }
    const auto url = net::parse_url(arguments[1]);
    if (!url) {
        fmt::print(stderr, "{}\n", url.error().message());
        return 64;
    }
    const auto connections = static_cast<std::size_t>(std::strtoul(arguments[3], nullptr, 10));
    const std::chrono::duration<double> length(std::strtod(arguments[4], nullptr));
    boost::asio::io_context context(1);
    net::http::ClientSettings settings;
    settings.max_idle_per_host = connections;
    net::http::Client client(context.get_executor(), settings, net::OutboundPolicy::trusted());
    Load load{.url = *url,
        .audience = arguments[2],
        .is_signed = arguments.size() == 5,
        .end = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(length)};
    {
        async::TaskGroup group(context.get_executor());
        group.spawn(all_connections(context.get_executor(), client, load, connections));
        context.run();
    }
    fmt::print("{{\"requests\":{},\"refused\":{},\"rate\":{:.0f}}}\n", load.answered, load.refused,
        static_cast<double>(load.answered) / length.count());
    return load.refused == 0 ? 0 : 1;
}
