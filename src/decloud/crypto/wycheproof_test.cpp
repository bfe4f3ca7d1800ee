#include "ed25519.hpp"
#include "p256.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

namespace decloud::crypto {
namespace {

struct Case {
    std::uint64_t number = 0;
    Bytes key;
    Bytes message;
    Bytes signature;
    bool is_valid = false;
    std::string comment;
};

/// As tests/vectors/wycheproof/README.md says.
std::vector<Case> cases(const std::string& name) {
    const char* source = std::getenv("DECLOUD_SOURCE_DIR");
    std::ifstream file(
        std::string(source == nullptr ? "." : source) + "/tests/vectors/wycheproof/" + name);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto rows = json::parse(text, {.max_bytes = 1U << 20U, .max_depth = 4}).value();
    std::vector<Case> out;
    for (const json::Value& row : rows.as_array()) {
        const json::Array& cells = row.as_array();
        const auto bytes = [&cells](std::size_t index) {
            return from_hex(std::string(cells[index].as_string())).value();
        };
        out.push_back({.number = cells[0].to_number<std::uint64_t>(),
            .key = bytes(1),
            .message = bytes(2),
            .signature = bytes(3),
            .is_valid = cells[4].as_bool(),
            .comment = std::string(cells[5].as_string())});
    }
    return out;
}

TEST(Wycheproof, Ed25519) {
    const auto all = cases("ed25519.json");
    EXPECT_EQ(all.size(), 151U);
    for (const Case& each : all) {
        Ed25519PublicKey key;
        ASSERT_EQ(each.key.size(), key.bytes.size());
        std::ranges::copy(each.key, key.bytes.begin());
        EXPECT_EQ(verify(key, each.message, each.signature), each.is_valid)
            << each.number << ": " << each.comment;
    }
}

TEST(Wycheproof, P256) {
    const auto all = cases("p256.json");
    EXPECT_EQ(all.size(), 262U);
    for (const Case& each : all) {
        const auto key = parse_p256(each.key);
        const bool holds = key && verify(*key, each.message, each.signature);
        EXPECT_EQ(holds, each.is_valid) << each.number << ": " << each.comment;
    }
}

}  // namespace
}  // namespace decloud::crypto
