#include "rlp.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::chain::rlp {
namespace {

Item string(std::string_view text) { return Item{to_bytes(text)}; }

TEST(Rlp, EncodesTheYellowPapersExamples) {
    EXPECT_EQ(to_hex(encode(string("dog"))), "83646f67");
    EXPECT_EQ(
        to_hex(encode(Item{std::vector{string("cat"), string("dog")}})), "c88363617483646f67");
    EXPECT_EQ(to_hex(encode(string(""))), "80");
    EXPECT_EQ(to_hex(encode(Item{std::vector<Item>{}})), "c0");
    EXPECT_EQ(to_hex(Encoder().add(Uint128{0}).items()), "80");
    EXPECT_EQ(to_hex(Encoder().add(Uint128{15}).items()), "0f");
    EXPECT_EQ(to_hex(Encoder().add(Uint128{1024}).items()), "820400");
    EXPECT_EQ(to_hex(encode(string("Lorem ipsum dolor sit amet, consectetur adipisicing elit"))),
        "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164"
        "6970697369"
        "63696e6720656c6974");
}

TEST(Rlp, DecodesWhatItEncodes) {
    for (const std::size_t size : {0U, 1U, 2U, 54U, 55U, 56U, 255U, 256U, 70'000U}) {
        const Item item{
            std::vector{Item{Bytes(size, 7)}, Item{std::vector<Item>{Item{Bytes(size, 200)}}}}};
        EXPECT_EQ(decode(encode(item)), item) << size;
    }
}

TEST(Rlp, RefusesWhatIsNotTheShortestForm) {
    for (const std::string_view text : {"", "8100", "817f", "b800", "b837", "b90000", "f800",
             "bf0000000000000001", "83646f", "c883636174", "c0c0", "8080", "b90100", "f90100",
             "bfffffffffffffffff", "ffffffffffffffffff"}) {
        EXPECT_FALSE(decode(*from_hex(text))) << text;
    }
}

TEST(Rlp, RefusesDeepNesting) {
    Item item = string("x");
    for (std::size_t i = 0; i < kMaxDepth; ++i) {
        item = Item{std::vector{std::move(item)}};
    }
    EXPECT_TRUE(decode(encode(item)));
    EXPECT_EQ(decode(encode(Item{std::vector{std::move(item)}})).error(),
        make_error_code(CommonError::limit_exceeded));
}

}  // namespace
}  // namespace decloud::chain::rlp
