#include "own_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

namespace decloud::gateway::internal {

namespace {

std::optional<net::IpAddress> address_of(const sockaddr* address) {
    if (address == nullptr) {
        return std::nullopt;
    }
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), &v4.sin_addr, octets.size());
        return net::IpAddress::v4(octets);
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        std::array<std::uint8_t, 16> octets{};
        std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
        return net::IpAddress::v6(octets);
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::pair<net::IpAddress, std::uint16_t>> own_addresses(const net::Endpoint& endpoint) {
    if (endpoint.is_unix()) {
        return {};
    }
    // Connecting to the unspecified address reaches this machine, too.
    std::vector<std::pair<net::IpAddress, std::uint16_t>> own{{endpoint.ip, endpoint.port}};
    const auto& octets = endpoint.ip.octets();
    if (std::ranges::any_of(octets, [](std::uint8_t octet) { return octet != 0; })) {
        return own;
    }
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) {
        return own;
    }
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(first, &::freeifaddrs);
    for (const ifaddrs* one = all.get(); one != nullptr; one = one->ifa_next) {
        if (const auto address = address_of(one->ifa_addr)) {
            own.emplace_back(*address, endpoint.port);
        }
    }
    return own;
}

}  // namespace decloud::gateway::internal
