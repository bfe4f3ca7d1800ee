#include "outbound_policy.hpp"

#include "error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace decloud::net {

namespace {

enum class Kind { global, private_use, loopback, forbidden };

struct Block {
    std::array<std::uint8_t, 16> prefix;
    unsigned bits;
    Kind kind;
    std::string_view name;
};

// IANA's special-purpose registries (RFC 6890 and later). The first match decides.
constexpr std::array kBlocks4{
    Block{{0}, 8, Kind::forbidden, "this network"},
    Block{{10}, 8, Kind::private_use, "private"},
    Block{{100, 64}, 10, Kind::private_use, "shared by carriers"},
    Block{{127}, 8, Kind::loopback, "loopback"},
    Block{{169, 254}, 16, Kind::forbidden, "link-local"},
    Block{{172, 16}, 12, Kind::private_use, "private"},
    Block{{192, 0, 0}, 24, Kind::forbidden, "for protocols"},
    Block{{192, 0, 2}, 24, Kind::forbidden, "for documentation"},
    Block{{192, 88, 99}, 24, Kind::forbidden, "6to4 relay"},
    Block{{192, 168}, 16, Kind::private_use, "private"},
    Block{{198, 18}, 15, Kind::forbidden, "for benchmarks"},
    Block{{198, 51, 100}, 24, Kind::forbidden, "for documentation"},
    Block{{203, 0, 113}, 24, Kind::forbidden, "for documentation"},
    Block{{224}, 4, Kind::forbidden, "multicast"},
    Block{{240}, 4, Kind::forbidden, "reserved or broadcast"},
};

constexpr std::array<std::uint8_t, 16> kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

// Only 2000::/3 is global unicast; of it these are special.
constexpr std::array kBlocks6{
    Block{kLoopback6, 128, Kind::loopback, "loopback"},
    Block{{0xfc}, 7, Kind::private_use, "unique local"},
    Block{{0xfe, 0x80}, 10, Kind::forbidden, "link-local"},
    Block{{0xfe, 0xc0}, 10, Kind::forbidden, "site-local"},
    Block{{0xff}, 8, Kind::forbidden, "multicast"},
    Block{{0x20, 0x01, 0x0d, 0xb8}, 32, Kind::forbidden, "for documentation"},
    Block{{0x3f, 0xff}, 20, Kind::forbidden, "for documentation"},
    Block{{0x20, 0x01}, 23, Kind::forbidden, "for protocols"},
    Block{{0x20}, 3, Kind::global, ""},
    Block{{}, 0, Kind::forbidden, "not global unicast"},
};

bool matches(const Block& block, const std::array<std::uint8_t, 16>& octets) {
    for (unsigned bit = 0; bit < block.bits; bit += 8) {
        const unsigned left = block.bits - bit;
        const auto mask = static_cast<std::uint8_t>(left >= 8 ? 0xff : 0xff << (8 - left));
        if ((octets[bit / 8] & mask) != (block.prefix[bit / 8] & mask)) {
            return false;
        }
    }
    return true;
}

const Block* find_block(std::span<const Block> blocks, const std::array<std::uint8_t, 16>& octets) {
    const auto found =
        std::ranges::find_if(blocks, [&](const Block& block) { return matches(block, octets); });
    return found == blocks.end() ? nullptr : &*found;
}

/// The IPv4 address that a router or relay would take out of an IPv6 address.
std::optional<IpAddress> embedded_ipv4(const IpAddress& address) {
    const auto& octets = address.octets();
    const auto at = [&](std::size_t index, std::uint8_t flip) {
        return IpAddress::v4({static_cast<std::uint8_t>(octets[index] ^ flip),
            static_cast<std::uint8_t>(octets[index + 1] ^ flip),
            static_cast<std::uint8_t>(octets[index + 2] ^ flip),
            static_cast<std::uint8_t>(octets[index + 3] ^ flip)});
    };
    static constexpr Block kNat64{{0, 0x64, 0xff, 0x9b}, 96, Kind::global, ""};
    static constexpr Block kCompatible{{}, 96, Kind::global, ""};
    static constexpr Block k6to4{{0x20, 0x02}, 16, Kind::global, ""};
    static constexpr Block kTeredo{{0x20, 0x01, 0, 0}, 32, Kind::global, ""};
    if (matches(kNat64, octets)) {
        return at(12, 0);
    }
    if (matches(kCompatible, octets) && octets != kLoopback6) {
        return at(12, 0);
    }
    if (matches(k6to4, octets)) {
        return at(2, 0);
    }
    if (matches(kTeredo, octets)) {
        return at(12, 0xff);
    }
    return std::nullopt;
}

}  // namespace

OutboundPolicy OutboundPolicy::trusted() {
    OutboundPolicy policy;
    policy.allow_private = true;
    policy.allow_loopback = true;
    policy.allow_unix = true;
    return policy;
}

Result<void> OutboundPolicy::check(const IpAddress& address, std::uint16_t port) const {
    IpAddress judged = address.unmapped();
    const auto own = [&](const auto& entry) {
        return entry.first.unmapped() == judged && entry.second == port;
    };
    if (judged.is_v6()) {
        judged = embedded_ipv4(judged).value_or(judged);
    }
    if (std::ranges::any_of(own_addresses, own)) {
        return fail(NetError::address_forbidden,
            fmt::format("{} port {} is this node's own", address.to_string(), port));
    }
    const Block* block = judged.is_v6() ? find_block(kBlocks6, judged.octets())
                                        : find_block(kBlocks4, judged.octets());
    if (block == nullptr || block->kind == Kind::global ||
        (block->kind == Kind::private_use && allow_private) ||
        (block->kind == Kind::loopback && allow_loopback)) {
        return {};
    }
    return fail(
        NetError::address_forbidden, fmt::format("{} is {}", address.to_string(), block->name));
}

}  // namespace decloud::net
