#include "dag_pb.hpp"
#include "ipld.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

namespace decloud::multiformats {
namespace {

/// IPLD's cases, as tests/vectors/ipld-codecs/README.md says.
const json::Object& cases() {
    static const json::Object all = [] {
        const char* source = std::getenv("DECLOUD_SOURCE_DIR");
        std::ifstream file(std::string(source == nullptr ? "." : source) +
                           "/tests/vectors/ipld-codecs/cases.json");
        const std::string text(std::istreambuf_iterator<char>(file), {});
        return json::parse(text, {.max_bytes = 4U << 20U, .max_depth = 32}).value().as_object();
    }();
    return all;
}

/// What is read from DAG-JSON as another number; from DAG-CBOR it is right.
const std::set<std::string> kReadNearly{"float--0.9999999999999999", "float-0.9999999999999999",
    "garbage-22", "int--11959030306112471732"};

/// One value in all its codecs.
struct Fixture {
    std::string name;
    Bytes cbor;
    Bytes json;
    /// Empty in most; an empty node is no bytes, too.
    std::optional<Bytes> pb;
};

Bytes block(const json::Object& codecs, std::string_view codec, Codec expected) {
    const json::Object& row = codecs.at(codec).as_object();
    Bytes bytes = from_base64(row.at("block").as_string()).value();
    const auto cid = Cid::parse(row.at("cid").as_string());
    EXPECT_TRUE(cid && cid->codec() == expected && cid->verify(bytes)) << row.at("cid").as_string();
    return bytes;
}

std::vector<Fixture> fixtures() {
    std::vector<Fixture> out;
    for (const auto& [name, value] : cases().at("fixtures").as_object()) {
        const json::Object& codecs = value.as_object();
        Fixture fixture{.name = name,
            .cbor = block(codecs, "dag-cbor", Codec::dag_cbor),
            .json = block(codecs, "dag-json", Codec::dag_json),
            .pb = {}};
        if (codecs.contains("dag-pb")) {
            fixture.pb = block(codecs, "dag-pb", Codec::dag_pb);
        }
        out.push_back(std::move(fixture));
    }
    return out;
}

/// The node as IPLD's schema of dag-pb has it.
IpldValue as_value(const PbNode& node) {
    IpldValue::List links;
    for (const PbLink& link : node.links) {
        IpldValue::Map row;
        row.emplace_back("Hash", IpldValue{link.cid});
        if (link.name) {
            row.emplace_back("Name", IpldValue{*link.name});
        }
        if (link.tsize) {
            row.emplace_back("Tsize", IpldValue{*link.tsize});
        }
        links.push_back(IpldValue{std::move(row)});
    }
    IpldValue::Map out;
    if (node.data) {
        out.emplace_back("Data", IpldValue{*node.data});
    }
    out.emplace_back("Links", IpldValue{std::move(links)});
    return IpldValue{std::move(out)};
}

TEST(CodecFixtures, AreAllHere) {
    const auto all = fixtures();
    EXPECT_EQ(all.size(), 128U);
    EXPECT_EQ(
        std::ranges::count_if(all, [](const Fixture& each) { return each.pb.has_value(); }), 17);
}

TEST(CodecFixtures, AreReadAndWrittenInEveryCodec) {
    for (const Fixture& fixture : fixtures()) {
        const auto cbor = decode_dag_cbor(fixture.cbor);
        const auto json = decode_dag_json(fixture.json);
        ASSERT_TRUE(cbor) << fixture.name << ": " << cbor.error().message();
        ASSERT_TRUE(json) << fixture.name << ": " << json.error().message();
        EXPECT_EQ(to_hex(encode_dag_cbor(*cbor)), to_hex(fixture.cbor)) << fixture.name;
        EXPECT_EQ(encode_dag_json(*cbor), as_text(fixture.json)) << fixture.name;
        // The JSON parser reads fractions as nearly as it can, and so integers below -2^63.
        EXPECT_EQ(to_hex(encode_dag_cbor(*json)) == to_hex(fixture.cbor),
            !kReadNearly.contains(fixture.name))
            << fixture.name;
        if (fixture.pb) {
            const auto node = decode_pb(*fixture.pb);
            ASSERT_TRUE(node) << fixture.name << ": " << node.error().message();
            EXPECT_EQ(to_hex(encode_pb(*node)), to_hex(*fixture.pb)) << fixture.name;
            EXPECT_EQ(encode_dag_json(as_value(*node)), as_text(fixture.json)) << fixture.name;
        }
    }
}

TEST(CodecFixtures, RefusesWhatIsNegative) {
    const json::Object& negative = cases().at("negative").as_object();
    const auto each = [&](std::string_view codec, auto decode) {
        for (const json::Value& value : negative.at(codec).as_array()) {
            const json::Object& row = value.as_object();
            EXPECT_FALSE(decode(from_hex(row.at("hex").as_string()).value()))
                << codec << ": " << row.at("name").as_string();
        }
    };
    each("dag-cbor", [](const Bytes& bytes) { return decode_dag_cbor(bytes); });
    each("dag-json", [](const Bytes& bytes) { return decode_dag_json(bytes); });
    each("dag-pb", [](const Bytes& bytes) { return decode_pb(bytes); });
}

}  // namespace
}  // namespace decloud::multiformats
