#include "receipt.hpp"

#include <decloud/base/json.hpp>
#include <decloud/identity/error.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

namespace decloud::client {
namespace {

/// Made by tests/vectors/receipts/make.py, which shares no code with us.
const json::Object& vectors() {
    static const json::Object all = [] {
        const char* const source = std::getenv("DECLOUD_SOURCE_DIR");
        EXPECT_NE(source, nullptr);
        std::ifstream file(std::string(source) + "/tests/vectors/receipts/receipts.json");
        const std::string text((std::istreambuf_iterator<char>(file)), {});
        return json::parse(text).value().get_object();
    }();
    return all;
}

std::string text_of(std::size_t index) {
    const auto& row = vectors().at("cases").get_array().at(index).get_object();
    return json::to_text(row.at("receipt"));
}

UnixSeconds now() { return {json::uint_member(vectors(), "now").value()}; }

ReceiptRequest request() {
    const auto row = json::object_member(vectors(), "request").value();
    return {.method = json::string_member(row, "method").value(),
        .target = json::string_member(row, "target").value(),
        .body = to_bytes(json::string_member(row, "body").value())};
}

TEST(Receipt, EachVectorIsJudgedAsItSays) {
    const std::map<std::string, std::error_code> errors{
        {"bad_signature", make_error_code(IdentityError::bad_signature)},
        {"wrong_delegation", make_error_code(IdentityError::wrong_delegation)},
        {"revoked", make_error_code(IdentityError::revoked)},
        {"expired", make_error_code(IdentityError::expired)},
        {"not_yet_valid", make_error_code(IdentityError::not_yet_valid)},
        {"invalid_input", make_error_code(CommonError::invalid_input)}};
    const auto cases = json::array_member(vectors(), "cases").value();
    ASSERT_GT(cases.size(), 15U);
    for (const json::Value& value : cases) {
        const json::Object& row = value.get_object();
        const std::string name = json::string_member(row, "name").value();
        const std::string wanted = json::string_member(row, "result").value();
        ReceiptExpectation expected;
        expected.lowest_epoch = json::uint_member(row, "lowestEpoch").value_or(0);
        const auto found = verify_receipt(json::to_text(row.at("receipt")), expected, now());
        if (wanted == "ok") {
            EXPECT_TRUE(found) << name << ": " << found.error().message();
        } else {
            ASSERT_FALSE(found) << name;
            EXPECT_EQ(found.error(), errors.at(wanted)) << name << ": " << found.error().message();
        }
    }
}

TEST(Receipt, SaysWhoChargedWhomHowMuch) {
    const auto receipt = verify_receipt(text_of(0), {}, now()).value();
    EXPECT_EQ(receipt.provider, "alice.decloud");
    EXPECT_EQ(to_string(receipt.account), json::string_member(vectors(), "account").value());
    EXPECT_EQ(receipt.chain_id, 31337U);
    EXPECT_EQ(receipt.amount, Amount(1000));
    EXPECT_EQ(receipt.epoch, 1U);
}

TEST(Receipt, IsOfOneRequestOneAnswerAndOneProvider) {
    ReceiptExpectation expected{.request = request(),
        .response = to_bytes(json::string_member(vectors(), "response").value()),
        .provider = parse_address(json::string_member(vectors(), "account").value()).value()};
    EXPECT_TRUE(verify_receipt(text_of(0), expected, now()));
    const auto conflicts = [](const ReceiptExpectation& other) {
        const auto found = verify_receipt(text_of(0), other, now());
        return !found && found.error() == make_error_code(CommonError::conflict);
    };
    auto other = expected;
    other.request->body.push_back(0);
    EXPECT_TRUE(conflicts(other));
    other = expected;
    other.request->method = "PUT";
    EXPECT_TRUE(conflicts(other));
    other = expected;
    other.request->target += "&x";
    EXPECT_TRUE(conflicts(other));
    other = expected;
    other.response->clear();
    EXPECT_TRUE(conflicts(other));
    other = expected;
    other.provider->bytes[0] ^= 1;
    EXPECT_TRUE(conflicts(other));
}

TEST(Receipt, RefusesWhatIsNone) {
    for (const std::string text : {"", "[]", "{}", "null", "{\"id\":1}"}) {
        const auto found = verify_receipt(text, {}, now());
        ASSERT_FALSE(found) << text;
        EXPECT_EQ(found.error(), make_error_code(CommonError::invalid_input)) << text;
    }
    EXPECT_FALSE(verify_receipt(std::string(kMaxReceipt + 1, ' '), {}, now()));
}

}  // namespace
}  // namespace decloud::client
