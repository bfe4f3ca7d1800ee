#include "up_state.hpp"

#include <decloud/client/error.hpp>
#include <decloud/crypto/random.hpp>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace decloud::cli::internal {

namespace {

// Below those that Linux gives to outgoing connections (from 32768 on): one of them could get the
// port of a part that is being started again.
constexpr std::uint16_t kLowestFree = 12000;
constexpr std::uint16_t kFreeCount = 20000;
constexpr int kTries = 100;

/// A socket that keeps a port until it is destroyed, so that two flags cannot get the same one.
class PortProbe {
  public:
    explicit PortProbe(std::uint16_t port)
        : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int yes = 1;
        (void)setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (bind(descriptor_, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
            listen(descriptor_, 1) == 0 &&
            getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
            port_ = ntohs(address.sin_port);
        }
    }
    PortProbe(const PortProbe&) = delete;
    PortProbe& operator=(const PortProbe&) = delete;
    ~PortProbe() { close(descriptor_); }

    /// 0: it is in use.
    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    int descriptor_;
    std::uint16_t port_ = 0;
};

std::unique_ptr<PortProbe> free_port() {
    for (int tried = 0; tried < kTries; ++tried) {
        const auto random = crypto::random_array<2>();
        const int offset = (random[0] << 8 | random[1]) % kFreeCount;
        auto probe = std::make_unique<PortProbe>(static_cast<std::uint16_t>(kLowestFree + offset));
        if (probe->port() != 0) {
            return probe;
        }
    }
    return std::make_unique<PortProbe>(0);
}

}  // namespace

Result<void> choose_ports(UpOptions& options) {
    struct Wanted {
        std::uint16_t* port;
        std::string_view what;
        std::string_view flag;
    };
    const std::array<Wanted, 4> wanted{{{&options.chain_port, "the chain", "--chain-port"},
        {&options.node_port, "the provider", "--node-port"},
        {&options.console_port, "the console", "--console-port"},
        {&options.gateway_port, "the gateway", "--gateway-port"}}};
    std::vector<std::unique_ptr<PortProbe>> probes;
    for (const Wanted& each : wanted) {
        probes.push_back(*each.port == 0 ? free_port() : std::make_unique<PortProbe>(*each.port));
        if (probes.back()->port() == 0) {
            return fail_with_help(ClientError::port_in_use,
                fmt::format("port {} on 127.0.0.1, for {}", *each.port, each.what),
                fmt::format("take another with {} N; 0 picks a free one", each.flag));
        }
        *each.port = probes.back()->port();
    }
    return {};
}

}  // namespace decloud::cli::internal
