#include "ipld.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::multiformats {

namespace {

bool is_refused(std::string_view hex) { return !decode_dag_cbor(from_hex(hex).value()); }

TEST(DagCbor, ReadsAndWritesTheSameBytes) {
    for (const std::string_view hex :
        {"f6", "f5", "00", "17", "1818", "19ffff", "1a00010000", "1bffffffffffffffff", "20",
            "3bffffffffffffffff", "fb3ff8000000000000", "40", "4101", "60", "6161", "80", "820102",
            "a0", "a2616101626161820102",
            "d82a58250001711220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}) {
        const Bytes bytes = from_hex(hex).value();
        const auto value = decode_dag_cbor(bytes);
        ASSERT_TRUE(value) << hex << ": " << value.error().message();
        EXPECT_EQ(to_hex(encode_dag_cbor(*value)), hex);
    }
}

TEST(DagCbor, RefusesWhatIsNotCanonical) {
    for (const std::string_view hex : {"", "1800", "190001", "1a0000ffff", "1b00000000ffffffff",
             "5800", "f93e00", "fa3fc00000", "fb7ff8000000000000", "fb7ff0000000000000", "f7", "f0",
             "5f4101ff", "9f01ff", "bf616101ff", "a1010f", "a2616201616101", "a2616101616102",
             "a262616101616101", "61ff", "c000", "d82b00", "d82a00", "d82a40", "d82a4101", "0000",
             "8201", "62", "9b7fffffffffffffff", "d9002a5825000171"}) {
        EXPECT_TRUE(is_refused(hex)) << hex;
    }
}

TEST(DagCbor, StopsAtItsDepth) {
    Bytes deep(1000, 0x81);
    deep.push_back(0);
    EXPECT_TRUE(decode_dag_cbor(deep).error() == make_error_code(CommonError::limit_exceeded));
}

TEST(DagJson, ReadsLinksAndBytesAndWritesThemCanonically) {
    const auto value = decode_dag_json(as_bytes(
        R"( {"b": [1, -1, 1.5, null, true], "a": {"/": {"bytes": "AQI"}},
            "link": {"/": "bafkqaaa"}} )"));
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_EQ(encode_dag_json(*value),
        R"({"a":{"/":{"bytes":"AQI"}},"b":[1,-1,1.5,null,true],"link":{"/":"bafkqaaa"}})");
    EXPECT_EQ(ipld_links(*value), std::vector<Cid>{Cid::parse("bafkqaaa").value()});
}

TEST(DagJson, RefusesFormsThatAreReserved) {
    for (const std::string_view text :
        {R"({"/": 1})", R"({"/": "no cid"})", R"({"/": {}})", R"({"/": {"bytes": 1}})",
            R"({"/": {"bytes": "AQ", "x": 1}})", R"({"/": "bafkqaaa", "x": 1})",
            R"({"/": {"bytes": "A"}})", R"({"a": 1, "a": 2})", "[1,]", "", "7e272777"}) {
        EXPECT_FALSE(decode_dag_json(as_bytes(text))) << text;
    }
}

TEST(DagJson, IsTheSameValueInBothCodecs) {
    const Bytes cbor = from_hex("a2616101626161820102").value();
    const IpldValue value = decode_dag_cbor(cbor).value();
    EXPECT_EQ(encode_dag_json(value), R"({"a":1,"aa":[1,2]})");
    EXPECT_EQ(encode_dag_cbor(decode_dag_json(as_bytes(encode_dag_json(value))).value()), cbor);
}

TEST(IpldValue, FindsByKeyAndByIndex) {
    const IpldValue value = decode_dag_json(as_bytes(R"({"a": [1, 2]})")).value();
    ASSERT_NE(value.find("a"), nullptr);
    EXPECT_EQ(*value.find("a")->find("1"), IpldValue{std::uint64_t{2}});
    EXPECT_EQ(value.find("a")->find("2"), nullptr);
    EXPECT_EQ(value.find("a")->find("x"), nullptr);
    EXPECT_EQ(value.find("b"), nullptr);
}

}  // namespace

}  // namespace decloud::multiformats
