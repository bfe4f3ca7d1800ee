#include "encoding.hpp"

#include <gtest/gtest.h>

namespace decloud {
namespace {

TEST(Encoding, HexRoundTripsAndRefusesOddLength) {
    const Bytes bytes{0x00, 0xAB, 0xFF};
    EXPECT_EQ(to_hex(bytes), "00abff");
    EXPECT_EQ(from_hex("0x00ABff").value(), bytes);
    EXPECT_FALSE(from_hex("abc"));
    EXPECT_FALSE(from_hex("zz"));
}

TEST(Encoding, Base64MatchesRfc4648Vectors) {
    const std::pair<const char*, const char*> vectors[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, encoded] : vectors) {
        EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
        EXPECT_EQ(from_base64(encoded).value(), to_bytes(std::string_view(plain)));
    }
}

TEST(Encoding, Base64RefusesWhatIsNotCanonical) {
    EXPECT_FALSE(from_base64("Zg"));
    EXPECT_FALSE(from_base64("Zh=="));
    EXPECT_FALSE(from_base64("Zg=\n"));
    EXPECT_FALSE(from_base64("===="));
    EXPECT_FALSE(from_base64url("Zg=="));
    EXPECT_FALSE(from_base64url("Zh"));
    EXPECT_EQ(from_base64url("-_8").value(), (Bytes{0xFB, 0xFF}));
}

TEST(Encoding, Utf8RefusesOverlongSurrogatesAndTruncation) {
    EXPECT_TRUE(is_utf8(as_bytes("h\u00e9llo \U0001F600")));
    EXPECT_FALSE(is_utf8(Bytes{0xC0, 0x80}));
    EXPECT_FALSE(is_utf8(Bytes{0xED, 0xA0, 0x80}));
    EXPECT_FALSE(is_utf8(Bytes{0xE2, 0x82}));
    EXPECT_FALSE(is_utf8(Bytes{0xF5, 0x80, 0x80, 0x80}));
}

TEST(Encoding, PercentDecodingRefusesBadEscapes) {
    EXPECT_EQ(percent_decode("a%20b%2f").value(), "a b/");
    EXPECT_FALSE(percent_decode("%"));
    EXPECT_FALSE(percent_decode("%4"));
    EXPECT_FALSE(percent_decode("%zz"));
    EXPECT_EQ(percent_encode("a b/~"), "a%20b%2F~");
}

}  // namespace
}  // namespace decloud
