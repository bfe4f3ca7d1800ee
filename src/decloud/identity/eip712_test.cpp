#include "eip712.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>
#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace decloud::identity {
namespace {

json::Array cases() {
    const char* const source = std::getenv("DECLOUD_SOURCE_DIR");
    if (source == nullptr) {
        throw std::runtime_error("DECLOUD_SOURCE_DIR is not set: run by ctest");
    }
    std::ifstream file(std::string(source) + "/tests/vectors/eip712/typed-data.json");
    std::stringstream text;
    text << file.rdbuf();
    return json::parse(text.str(), {.max_bytes = 1U << 20U, .max_depth = 64}).value().as_array();
}

Uint128 number(std::string_view text) {
    Uint128 out = 0;
    for (const char digit : text) {
        out = out * 10 + static_cast<Uint128>(digit - '0');
    }
    return out;
}

std::string_view element_type(std::string_view type) { return type.substr(0, type.rfind('[')); }

Bytes hex_bytes(const json::Value& value) {
    return from_hex(std::string_view(value.as_string()).substr(2)).value();
}

/// Hashes typed data of any shape by StructHasher, whose members decloud's own structs are.
class TypedData {
  public:
    explicit TypedData(const json::Object& types) : types_(types) {}

    [[nodiscard]] Bytes32 hash(std::string_view type, const json::Object& data) const {
        const json::Object& definition = types_.at(type).as_object();
        StructHasher hasher(definition.at("text").as_string());
        for (const json::Value& member : definition.at("members").as_array()) {
            const std::string name(member.as_object().at("name").as_string());
            add(hasher, std::string_view(member.as_object().at("type").as_string()), data.at(name));
        }
        return hasher.finish();
    }

    void add(StructHasher& hasher, std::string_view type, const json::Value& value) const {
        if (type.ends_with("]")) {
            hasher.add(words(type, value));
        } else if (type == "string") {
            hasher.add_dynamic(as_bytes(value.as_string()));
        } else if (type == "bytes") {
            hasher.add_dynamic(hex_bytes(value));
        } else if (type == "address") {
            hasher.add(Address::from(hex_bytes(value)).value());
        } else if (type == "bool") {
            hasher.add(Uint128{value.as_bool() ? 1U : 0U});
        } else if (type.starts_with("uint")) {
            hasher.add(number(value.as_string()));
        } else if (types_.contains(type)) {
            hasher.add(hash(type, value.as_object()));
        } else {
            Bytes32 padded;
            std::ranges::copy(hex_bytes(value), padded.bytes.begin());
            hasher.add(padded);
        }
    }

  private:
    [[nodiscard]] std::vector<Bytes32> words(
        std::string_view type, const json::Value& value) const {
        std::vector<Bytes32> out;
        for (const json::Value& item : value.as_array()) {
            out.push_back(word(element_type(type), item));
        }
        return out;
    }

    /// What stands for an element in the hash of its array.
    [[nodiscard]] Bytes32 word(std::string_view type, const json::Value& value) const {
        if (type.ends_with("]")) {
            Bytes joined;
            for (const Bytes32& each : words(type, value)) {
                append(joined, each.view());
            }
            return crypto::keccak256(joined);
        }
        if (type == "string") {
            return crypto::keccak256(as_bytes(value.as_string()));
        }
        if (type == "bytes") {
            return crypto::keccak256(hex_bytes(value));
        }
        if (types_.contains(type)) {
            return hash(type, value.as_object());
        }
        Bytes32 out;
        if (type == "bool") {
            out.bytes[31] = value.as_bool() ? 1 : 0;
        } else if (type.starts_with("uint")) {
            Uint128 left = number(value.as_string());
            for (std::size_t at = 32; left != 0; left >>= 8U) {
                out.bytes[--at] = static_cast<std::uint8_t>(left);
            }
        } else {
            const Bytes bytes = hex_bytes(value);
            std::ranges::copy(bytes, out.bytes.begin() + (type == "address" ? 12 : 0));
        }
        return out;
    }

    const json::Object& types_;
};

Bytes32 separator_of(const json::Object& domain, const TypedData& data) {
    StructHasher hasher(domain.at("type").as_string());
    for (const json::Value& member : domain.at("members").as_array()) {
        data.add(hasher, std::string_view(member.as_object().at("type").as_string()),
            member.as_object().at("value"));
    }
    return hasher.finish();
}

TEST(Eip712, AgreesWithEthers) {
    const json::Array all = cases();
    EXPECT_EQ(all.size(), 134U);
    for (const json::Value& value : all) {
        const json::Object& each = value.as_object();
        const TypedData data(each.at("types").as_object());
        const Bytes32 hash = data.hash(
            std::string_view(each.at("primaryType").as_string()), each.at("data").as_object());
        EXPECT_EQ(
            to_string(typed_data_digest(separator_of(each.at("domain").as_object(), data), hash)),
            each.at("digest").as_string())
            << each.at("name").as_string();
    }
}

}  // namespace
}  // namespace decloud::identity
