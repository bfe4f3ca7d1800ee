#include "varint.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <utility>
#include <vector>

namespace decloud::multiformats {
namespace {

TEST(Varint, EncodesTheExamplesOfTheSpec) {
    const std::vector<std::pair<std::uint64_t, Bytes>> examples = {
        {0, {0x00}},
        {1, {0x01}},
        {127, {0x7f}},
        {128, {0x80, 0x01}},
        {255, {0xff, 0x01}},
        {300, {0xac, 0x02}},
        {16384, {0x80, 0x80, 0x01}},
    };
    for (const auto& [value, bytes] : examples) {
        Bytes out;
        append_varint(out, value);
        EXPECT_EQ(out, bytes) << value;
        EXPECT_EQ(varint_size(value), bytes.size()) << value;
    }
}

TEST(Varint, ReadsBackWhatItWrites) {
    for (unsigned shift = 0; shift < 64; ++shift) {
        for (const std::uint64_t value :
            {std::uint64_t{1} << shift, (std::uint64_t{1} << shift) - 1,
                std::numeric_limits<std::uint64_t>::max() >> shift}) {
            Bytes out;
            append_varint(out, value);
            out.push_back(0xee);
            const auto decoded = read_varint(out);
            ASSERT_TRUE(decoded) << value;
            EXPECT_EQ(decoded->value, value);
            EXPECT_EQ(decoded->size, out.size() - 1);
        }
    }
}

TEST(Varint, RefusesEncodingsLongerThanNeeded) {
    for (const Bytes& bytes : {Bytes{0x80, 0x00}, Bytes{0xff, 0x00}, Bytes{0x81, 0x80, 0x00}}) {
        const auto decoded = read_varint(bytes);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code(), CommonError::invalid_input);
    }
}

TEST(Varint, RefusesValuesAbove64Bits) {
    Bytes bytes(9, 0xff);
    bytes.push_back(0x02);
    const auto decoded = read_varint(bytes);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code(), CommonError::invalid_input);
}

TEST(Varint, TellsThatMoreInputIsNeeded) {
    for (const Bytes& bytes : {Bytes{}, Bytes{0x80}, Bytes{0xff, 0xff}}) {
        const auto decoded = read_varint(bytes);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code(), CommonError::unavailable);
    }
}

}  // namespace
}  // namespace decloud::multiformats
