#include "multibase.hpp"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

namespace decloud::multiformats {
namespace {

constexpr Multibase kAll[] = {Multibase::base16, Multibase::base16_upper, Multibase::base32,
    Multibase::base32_upper, Multibase::base36, Multibase::base36_upper, Multibase::base58btc,
    Multibase::base64url};

TEST(Multibase, EncodesTheVectorsOfTheSpec) {
    // multiformats/multibase tests: "yes mani !", with two and with leading zero bytes.
    const std::vector<std::pair<std::string, std::vector<std::string>>> vectors = {
        {"yes mani !", {"f796573206d616e692021", "F796573206D616E692021", "bpfsxgidnmfxgsibb",
                           "BPFSXGIDNMFXGSIBB", "k2lcpzo5yikidynfl", "K2LCPZO5YIKIDYNFL",
                           "z7paNL19xttacUY", "ueWVzIG1hbmkgIQ"}},
        {std::string("\0yes mani !", 11),
            {"f00796573206d616e692021", "F00796573206D616E692021", "bab4wk4zanvqw42jaee",
                "BAB4WK4ZANVQW42JAEE", "k02lcpzo5yikidynfl", "K02LCPZO5YIKIDYNFL",
                "z17paNL19xttacUY", "uAHllcyBtYW5pICE"}},
        {std::string("\0\0yes mani !", 12),
            {"f0000796573206d616e692021", "F0000796573206D616E692021", "baaahszltebwwc3tjeaqq",
                "BAAAHSZLTEBWWC3TJEAQQ", "k002lcpzo5yikidynfl", "K002LCPZO5YIKIDYNFL",
                "z117paNL19xttacUY", "uAAB5ZXMgbWFuaSAh"}},
    };
    for (const auto& [plain, texts] : vectors) {
        for (std::size_t i = 0; i < texts.size(); ++i) {
            EXPECT_EQ(encode_multibase(kAll[i], as_bytes(plain)), texts[i]);
            const auto decoded = decode_multibase(texts[i]);
            ASSERT_TRUE(decoded) << texts[i];
            EXPECT_EQ(decoded->base, kAll[i]);
            EXPECT_EQ(as_text(decoded->bytes), plain);
        }
    }
}

TEST(Multibase, ReadsBackWhatItWrites) {
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
        Bytes bytes(random() % 70);
        for (auto& byte : bytes) {
            byte = random() % 4 == 0 ? 0 : static_cast<std::uint8_t>(random());
        }
        for (const Multibase base : kAll) {
            const auto decoded = decode_multibase(encode_multibase(base, bytes));
            ASSERT_TRUE(decoded);
            EXPECT_EQ(decoded->bytes, bytes);
        }
    }
}

TEST(Multibase, RefusesLettersOfAnotherCase) {
    EXPECT_FALSE(decode_multibase("bPFSXGIDNMFXGSIBB"));
    EXPECT_FALSE(decode_multibase("Bpfsxgidnmfxgsibb"));
    EXPECT_FALSE(decode_multibase("f79657320D"));
}

TEST(Multibase, RefusesPaddingAndLeftOverBits) {
    EXPECT_FALSE(decode_multibase("bme======"));
    EXPECT_TRUE(decode_multibase("bme"));
    EXPECT_FALSE(decode_multibase("bmf"));  // unused bits set
    EXPECT_FALSE(decode_multibase("bm"));   // five bits are no byte
    EXPECT_FALSE(decode_multibase("fabc"));
}

TEST(Multibase, RefusesUnknownPrefixesAndEmptyText) {
    for (const char* text : {"", "!abc", "Zabc", "9123"}) {
        const auto decoded = decode_multibase(text);
        ASSERT_FALSE(decoded) << text;
        EXPECT_EQ(decoded.error().code(), CommonError::invalid_input);
    }
}

TEST(Multibase, LimitsTextWhoseCostIsQuadratic) {
    const auto decoded = decode_multibase("z" + std::string(1025, '2'));
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code(), CommonError::limit_exceeded);
}

}  // namespace
}  // namespace decloud::multiformats
