#include "forwarding.hpp"

#include <gtest/gtest.h>

#include <string>

namespace decloud::net {
namespace {

using http::Headers;

std::string names_of(const Headers& headers) {
    std::string names;
    for (const Headers::Field field : headers) {
        names.append(field.name).append(" ");
    }
    return names;
}

TEST(Forwarding, StripsHopByHopHeadersAndThoseThatConnectionNames) {
    Headers headers{{"Host", "a"}, {"Connection", "close, X-Secret"},
        {"connection", "x-other,host"}, {"X-Secret", "1"}, {"x-OTHER", "2"}, {"X-Kept", "3"},
        {"Keep-Alive", "4"}, {"Proxy-Connection", "5"}, {"TE", "trailers"}, {"Trailer", "X"},
        {"Transfer-Encoding", "chunked"}, {"Upgrade", "h2c"}, {"Proxy-Authorization", "6"},
        {"X-Kept", "7"}, {"Expect", "100-continue"}};
    strip_hop_by_hop(headers);
    EXPECT_EQ(names_of(headers), "Host X-Kept X-Kept Expect ");
}

TEST(Forwarding, KnowsTheReservedHeaders) {
    for (const std::string_view name : {"OpenCloud-Payment", "opencloud-status", "Payment-Required",
             "X-Payment", "X-PAYMENT-RESPONSE", "Signature", "Signature-Input", "Accept-Signature",
             "X-Decloud-Receipt", "alt-svc", "Strict-Transport-Security", "Clear-Site-Data",
             "Service-Worker-Allowed", "NEL", "Report-To", "Reporting-Endpoints"}) {
        EXPECT_TRUE(is_reserved_header(name)) << name;
    }
    for (const std::string_view name :
        {"Content-Type", "OpenCloud", "X-Pay", "Sig", "Accept", "Set-Cookie", ""}) {
        EXPECT_FALSE(is_reserved_header(name)) << name;
    }
}

TEST(Forwarding, ReplacesWhatTheClientClaimed) {
    Headers headers{{"Forwarded", "for=1.2.3.4"}, {"X-Forwarded-For", "1.2.3.4"},
        {"x-forwarded-proto", "https"}, {"X-Real-IP", "1.2.3.4"}, {"X-Forwarded-Server", "x"}};
    PeerAddress client;
    client.ip = parse_ip_address("2001:db8::7").value();
    set_forwarded(headers, {client, "alice.localhost:8080", "http"});
    EXPECT_EQ(headers.all("forwarded").size(), 1U);
    EXPECT_EQ(headers.find("Forwarded"),
        "for=\"[2001:db8::7]\";proto=http;host=\"alice.localhost:8080\"");
    EXPECT_EQ(headers.find("X-Forwarded-For"), "2001:db8::7");
    EXPECT_EQ(headers.find("X-Forwarded-Proto"), "http");
    EXPECT_FALSE(headers.contains("X-Real-IP"));
    EXPECT_FALSE(headers.contains("X-Forwarded-Server"));
    EXPECT_EQ(forwarded_client(*headers.find("Forwarded")).value(), client.ip);
}

TEST(Forwarding, ReadsTheLastForwardedElement) {
    EXPECT_EQ(
        forwarded_client("for=1.1.1.1, for=2.2.2.2;proto=http").value().to_string(), "2.2.2.2");
    EXPECT_EQ(forwarded_client("proto=http; For=\"2.2.2.2:80\"").value().to_string(), "2.2.2.2");
    EXPECT_EQ(forwarded_client("for=\"[::1]:80\"").value().to_string(), "::1");
    for (const std::string_view text :
        {"", "for=", "for=unknown", "proto=http", "for=\"[::1\"", "for=_hidden", "for=1.1.1.1,"}) {
        EXPECT_FALSE(forwarded_client(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace decloud::net
