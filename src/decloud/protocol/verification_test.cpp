#include "verification.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace decloud::protocol {

namespace {

/// What another encoder made: tests/vectors/verification/make.py.
json::Array vectors() {
    const char* source = std::getenv("DECLOUD_SOURCE_DIR");
    std::ifstream stream(
        std::string(source == nullptr ? "." : source) + "/tests/vectors/verification/vectors.json");
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    return json::parse(text, {.max_bytes = 1U << 20U, .max_depth = 16}).value().as_array();
}

std::string text_of(const json::Value& object, std::string_view name) {
    return std::string(object.as_object().at(name).as_string());
}

Bytes bytes_of(const json::Value& object, std::string_view name) {
    return from_hex(text_of(object, name)).value();
}

TEST(Verification, IsEncodedAsOthersEncodeIt) {
    const json::Array all = vectors();
    ASSERT_FALSE(all.empty());
    for (const json::Value& vector : all) {
        std::vector<VerifiedRequest> requests;
        for (const json::Value& request : vector.at("requests").as_array()) {
            requests.push_back({.method = text_of(request, "method"),
                .path = text_of(request, "path"),
                .query = text_of(request, "query"),
                .type = text_of(request, "type"),
                .body = bytes_of(request, "body")});
        }
        std::vector<VerifiedResponse> responses;
        for (const json::Value& response : vector.at("responses").as_array()) {
            responses.push_back({.status = response.at("status").to_number<int>(),
                .type = text_of(response, "type"),
                .body = bytes_of(response, "body")});
        }
        EXPECT_EQ(to_hex(encode_requests(requests)), text_of(vector, "requestsCbor"))
            << text_of(vector, "name");
        EXPECT_EQ(to_hex(encode_responses(responses)), text_of(vector, "responsesCbor"))
            << text_of(vector, "name");
    }
}

}  // namespace

}  // namespace decloud::protocol
