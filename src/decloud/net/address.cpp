#include "address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstring>

namespace decloud::net {

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) {
    IpAddress address;
    std::ranges::copy(octets, address.octets_.begin());
    return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> octets) {
    IpAddress address;
    address.octets_ = octets;
    address.v6_ = true;
    return address;
}

std::string IpAddress::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(v6_ ? AF_INET6 : AF_INET, octets_.data(), text.data(), text.size());
    return text.data();
}

IpAddress IpAddress::unmapped() const {
    static constexpr std::array<std::uint8_t, 12> kPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!v6_ || !std::equal(kPrefix.begin(), kPrefix.end(), octets_.begin())) {
        return *this;
    }
    return v4({octets_[12], octets_[13], octets_[14], octets_[15]});
}

Result<IpAddress> parse_ip_address(std::string_view text) {
    std::array<std::uint8_t, 16> octets{};
    if (text.size() < INET6_ADDRSTRLEN && text.find('\0') == std::string_view::npos) {
        const std::string terminated(text);
        if (::inet_pton(AF_INET, terminated.c_str(), octets.data()) == 1) {
            return IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
        }
        if (::inet_pton(AF_INET6, terminated.c_str(), octets.data()) == 1) {
            return IpAddress::v6(octets);
        }
    }
    return fail(CommonError::invalid_input, "not an IP address");
}

std::string Endpoint::to_string() const {
    if (is_unix()) {
        return "unix:" + unix_path;
    }
    return ip.is_v6() ? fmt::format("[{}]:{}", ip.to_string(), port)
                      : fmt::format("{}:{}", ip.to_string(), port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    Endpoint endpoint;
    if (text.starts_with("unix:")) {
        endpoint.unix_path = text.substr(5);
        if (endpoint.unix_path.empty() || endpoint.unix_path.size() >= PATH_MAX ||
            endpoint.unix_path.find('\0') != std::string::npos) {
            return fail(CommonError::invalid_input, "a socket path has 1 to 4095 bytes");
        }
        return endpoint;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return fail(CommonError::invalid_input, "an endpoint is address:port or unix:/path");
    }
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    TRY(endpoint.ip, parse_ip_address(host));
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc{} || end != port.data() + port.size() ||
        endpoint.ip.is_v6() != bracketed) {
        return fail(CommonError::invalid_input, "an endpoint is address:port or unix:/path");
    }
    return endpoint;
}

}  // namespace decloud::net
