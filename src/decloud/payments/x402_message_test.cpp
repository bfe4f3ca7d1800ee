#include "x402_message.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

#include <functional>

namespace decloud::payments {
namespace {

json::Object authorization() {
    return {{"from", "0x857b06519e91e3a54538791bdbb0e22373e36b66"},
        {"to", "0x209693bc6afc0c5328ba36faf03c514ef312287c"}, {"value", "10000"},
        {"validAfter", "1740672089"}, {"validBefore", "1740672154"},
        {"nonce", "0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480"}};
}

json::Object payload() {
    return {{"signature", "0x" + std::string(130, '1')}, {"authorization", authorization()}};
}

json::Object version_1() {
    return {{"x402Version", 1}, {"scheme", "exact"}, {"network", "base-sepolia"},
        {"payload", payload()}};
}

json::Object version_2() {
    return {{"x402Version", 2},
        {"accepted",
            json::Object{{"scheme", "exact"}, {"network", "eip155:84532"}, {"amount", "10000"},
                {"asset", "0x036cbd53842c5426634e7929541ec2318f3dcf7e"},
                {"payTo", "0x209693bc6afc0c5328ba36faf03c514ef312287c"},
                {"maxTimeoutSeconds", 60}}},
        {"payload", payload()}};
}

Result<X402Payment> parse(const json::Object& object) {
    return parse_x402_payment(as_bytes(json::to_text(object)));
}

TEST(X402Message, ReadsBothVersions) {
    const auto first = parse(version_1());
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(first->version, 1);
    EXPECT_EQ(first->network, "base-sepolia");
    EXPECT_EQ(first->authorization.value, Amount(10'000));
    EXPECT_EQ(first->authorization.valid_before, 1'740'672'154U);
    EXPECT_FALSE(first->accepted);
    const auto second = parse(version_2());
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(second->version, 2);
    EXPECT_EQ(second->accepted->amount, Amount(10'000));
    EXPECT_EQ(second->authorization, first->authorization);
}

TEST(X402Message, RefusesWhatIsMissingOrOfAnotherKind) {
    const std::vector<std::function<void(json::Object&)>> wrongs{
        [](json::Object& o) { o["x402Version"] = 3; },
        [](json::Object& o) { o["x402Version"] = "1"; },
        [](json::Object& o) { o["scheme"] = "upto"; }, [](json::Object& o) { o.erase("network"); },
        [](json::Object& o) { o["network"] = std::string(65, 'n'); },
        [](json::Object& o) { o.erase("payload"); },
        [](json::Object& o) { o["payload"].as_object()["signature"] = "0x11"; },
        [](json::Object& o) { o["payload"].as_object()["signature"] = std::string(130, '1'); },
        [](json::Object& o) {
            o["payload"].as_object()["authorization"].as_object()["value"] = 10'000;
        },
        [](json::Object& o) {
            o["payload"].as_object()["authorization"].as_object()["value"] = "-1";
        },
        [](json::Object& o) {
            o["payload"].as_object()["authorization"].as_object()["nonce"] = "0x01";
        },
        [](json::Object& o) {
            o["payload"].as_object()["authorization"].as_object().erase("validBefore");
        }};
    for (std::size_t i = 0; i < wrongs.size(); ++i) {
        json::Object object = version_1();
        wrongs[i](object);
        const auto parsed = parse(object);
        ASSERT_FALSE(parsed) << i;
        EXPECT_EQ(parsed.error(), make_error_code(CommonError::invalid_input)) << i;
    }
    json::Object object = version_2();
    object.erase("accepted");
    EXPECT_FALSE(parse(object));
}

TEST(X402Message, ReadsAPaymentIdentifierOfTheRightLengthOnly) {
    const auto with = [](const std::string& id) {
        json::Object object = version_2();
        object["extensions"] = json::Object{{"payment-identifier",
            json::Object{{"info", json::Object{{"required", false}, {"id", id}}}}}};
        return parse(object);
    };
    EXPECT_EQ(with("pay_0123456789abcdef")->identifier, "pay_0123456789abcdef");
    EXPECT_FALSE(with("short"));
    EXPECT_FALSE(with("with a space 0123456789"));
    EXPECT_FALSE(with(std::string(129, 'x')));
    EXPECT_EQ(parse(version_2())->identifier, "");
}

TEST(X402Message, TakesOneHeaderOfStandardBase64) {
    const std::string text = to_base64(as_bytes(json::to_text(version_2())));
    const auto v2 = read_x402_headers({{"PAYMENT-SIGNATURE", text}});
    ASSERT_TRUE(v2 && *v2);
    EXPECT_EQ((*v2)->method, "x402");
    EXPECT_TRUE(parse_x402_payment((*v2)->payload));
    EXPECT_TRUE(*read_x402_headers({{"x-payment", text}}));
    EXPECT_FALSE(read_x402_headers({{"Accept", "*/*"}}).value());
    EXPECT_FALSE(read_x402_headers({{"X-PAYMENT", text}, {"PAYMENT-SIGNATURE", text}}));
    EXPECT_FALSE(read_x402_headers({{"X-PAYMENT", text}, {"X-PAYMENT", text}}));
    EXPECT_FALSE(read_x402_headers({{"X-PAYMENT", text}, {"OpenCloud-Payment", "none"}}));
    EXPECT_FALSE(read_x402_headers({{"X-PAYMENT", "no base64!"}}));
    EXPECT_FALSE(read_x402_headers({{"X-PAYMENT", std::string(kMaxX402Header + 4, 'A')}}));
}

TEST(X402Message, KnowsV1sNamesOfChains) {
    EXPECT_EQ(x402_network_name(84532), "base-sepolia");
    EXPECT_EQ(x402_network_name(31337), "");
    EXPECT_EQ(x402_network_id(84532), "eip155:84532");
}

}  // namespace
}  // namespace decloud::payments
