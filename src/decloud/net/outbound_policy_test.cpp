#include "outbound_policy.hpp"

#include "error.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace decloud::net {
namespace {

enum class Verdict { public_internet, if_private, if_loopback, never };

struct Row {
    std::string_view address;
    Verdict verdict;
};

constexpr Row kRows[] = {
    {"8.8.8.8", Verdict::public_internet},
    {"1.1.1.1", Verdict::public_internet},
    {"172.15.255.255", Verdict::public_internet},
    {"172.32.0.0", Verdict::public_internet},
    {"100.63.255.255", Verdict::public_internet},
    {"100.128.0.0", Verdict::public_internet},
    {"223.255.255.255", Verdict::public_internet},
    {"0.0.0.0", Verdict::never},
    {"0.1.2.3", Verdict::never},
    {"10.0.0.1", Verdict::if_private},
    {"172.16.0.1", Verdict::if_private},
    {"172.31.255.255", Verdict::if_private},
    {"192.168.1.1", Verdict::if_private},
    {"100.64.0.1", Verdict::if_private},
    {"100.127.255.255", Verdict::if_private},
    {"127.0.0.1", Verdict::if_loopback},
    {"127.255.255.254", Verdict::if_loopback},
    {"169.254.169.254", Verdict::never},
    {"192.0.0.8", Verdict::never},
    {"192.0.2.1", Verdict::never},
    {"192.88.99.1", Verdict::never},
    {"198.18.0.1", Verdict::never},
    {"198.19.255.255", Verdict::never},
    {"198.51.100.1", Verdict::never},
    {"203.0.113.9", Verdict::never},
    {"224.0.0.1", Verdict::never},
    {"239.255.255.255", Verdict::never},
    {"240.0.0.1", Verdict::never},
    {"255.255.255.255", Verdict::never},
    {"2606:4700:4700::1111", Verdict::public_internet},
    {"2a00:1450::1", Verdict::public_internet},
    {"::", Verdict::never},
    {"::1", Verdict::if_loopback},
    {"::2", Verdict::never},
    {"fc00::1", Verdict::if_private},
    {"fdff::1", Verdict::if_private},
    {"fe80::1", Verdict::never},
    {"febf::1", Verdict::never},
    {"fec0::1", Verdict::never},
    {"ff02::1", Verdict::never},
    {"2001:db8::1", Verdict::never},
    {"2001:10::1", Verdict::never},
    {"3fff::1", Verdict::never},
    {"4000::1", Verdict::never},
    {"100::1", Verdict::never},
    {"::ffff:8.8.8.8", Verdict::public_internet},
    {"::ffff:127.0.0.1", Verdict::if_loopback},
    {"::ffff:10.0.0.1", Verdict::if_private},
    {"::ffff:169.254.169.254", Verdict::never},
    {"::127.0.0.1", Verdict::if_loopback},
    {"64:ff9b::10.0.0.1", Verdict::if_private},
    {"64:ff9b::8.8.8.8", Verdict::public_internet},
    {"64:ff9b:1::1", Verdict::never},
    {"2002:7f00:1::", Verdict::if_loopback},
    {"2002:a00:1::1", Verdict::if_private},
    {"2001:0:1:2:3:4:80ff:fffe", Verdict::if_loopback},
};

TEST(OutboundPolicy, JudgesAddressesByTheTable) {
    OutboundPolicy private_allowed;
    private_allowed.allow_private = true;
    OutboundPolicy loopback_allowed;
    loopback_allowed.allow_loopback = true;
    for (const Row& row : kRows) {
        SCOPED_TRACE(row.address);
        const IpAddress address = parse_ip_address(row.address).value();
        const bool everywhere = row.verdict == Verdict::public_internet;
        EXPECT_EQ(OutboundPolicy{}.check(address, 80).has_value(), everywhere);
        EXPECT_EQ(private_allowed.check(address, 80).has_value(),
            everywhere || row.verdict == Verdict::if_private);
        EXPECT_EQ(loopback_allowed.check(address, 80).has_value(),
            everywhere || row.verdict == Verdict::if_loopback);
        EXPECT_EQ(OutboundPolicy::trusted().check(address, 80).has_value(),
            row.verdict != Verdict::never);
    }
}

TEST(OutboundPolicy, RefusesOwnAddressesWhateverElseIsAllowed) {
    OutboundPolicy policy = OutboundPolicy::trusted();
    policy.own_addresses = {{parse_ip_address("127.0.0.1").value(), std::uint16_t{8080}}};
    EXPECT_EQ(policy.check(parse_ip_address("127.0.0.1").value(), 8080).error().code(),
        NetError::address_forbidden);
    EXPECT_FALSE(policy.check(parse_ip_address("::ffff:127.0.0.1").value(), 8080));
    EXPECT_FALSE(policy.check(parse_ip_address("::127.0.0.1").value(), 8080));
    EXPECT_TRUE(policy.check(parse_ip_address("127.0.0.1").value(), 8081));
}

}  // namespace
}  // namespace decloud::net
