#include "abi.hpp"

#include <decloud/base/encoding.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>

namespace decloud::contracts {

namespace {

struct Pair {
    std::uint64_t number{};
    std::string text{};
    friend bool operator==(const Pair&, const Pair&) = default;
};

struct Sample {
    bool flag{};
    Uint128 amount{};
    std::vector<Pair> pairs{};
    Bytes blob{};
    std::vector<Bytes32> words{};
    Address account{};
    friend bool operator==(const Sample&, const Sample&) = default;
};

struct Point {
    std::uint8_t x{};
    Address y{};
    friend bool operator==(const Point&, const Point&) = default;
};

enum class Color : std::uint8_t { red, green, blue };

}  // namespace

template <>
struct abi::Members<Pair> {
    static constexpr std::tuple kPointers{&Pair::number, &Pair::text};
};
template <>
struct abi::Members<Sample> {
    static constexpr std::tuple kPointers{&Sample::flag, &Sample::amount, &Sample::pairs,
        &Sample::blob, &Sample::words, &Sample::account};
};
template <>
struct abi::Members<Point> {
    static constexpr std::tuple kPointers{&Point::x, &Point::y};
};
template <>
struct abi::EnumLimit<Color> {
    static constexpr unsigned kCount = 3;
};

namespace {

Bytes hex(std::string_view text) {
    std::string digits;
    std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != ' '; });
    return from_hex(digits).value();
}

Bytes word(std::uint64_t value) {
    Bytes out(32);
    abi::write_unsigned(out, 0, value);
    return out;
}

Bytes concat(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        append(out, part);
    }
    return out;
}

template <class... T>
Bytes encode(const T&... values) {
    Bytes out;
    abi::append_tuple(out, values...);
    return out;
}

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
    Bytes bytes(std::size_t limit) {
        Bytes out(below(limit + 1));
        std::ranges::generate(out, [this] { return static_cast<std::uint8_t>(engine_()); });
        return out;
    }
    template <class Fixed>
    Fixed fixed() {
        Fixed out;
        std::ranges::generate(out.bytes, [this] { return static_cast<std::uint8_t>(engine_()); });
        return out;
    }
    Sample sample() {
        Sample out;
        out.flag = below(2) == 1;
        out.amount = Uint128{engine_()} << 64U | engine_();
        for (std::uint64_t i = below(4); i > 0; --i) {
            out.pairs.push_back({engine_(), std::string(as_text(bytes(70)))});
        }
        out.blob = bytes(100);
        for (std::uint64_t i = below(4); i > 0; --i) {
            out.words.push_back(fixed<Bytes32>());
        }
        out.account = fixed<Address>();
        return out;
    }

  private:
    std::mt19937_64 engine_;
};

}  // namespace

// The examples of the ABI specification, "Examples" and "Use of Dynamic Types".
TEST(AbiEncode, MatchesTheSpecificationsStaticExample) {
    const Bytes expected =
        hex("cdcd77c0"
            "0000000000000000000000000000000000000000000000000000000000000045"
            "0000000000000000000000000000000000000000000000000000000000000001");
    EXPECT_EQ(
        abi::encode_call(Selector{{0xcd, 0xcd, 0x77, 0xc0}}, std::uint32_t{69}, true), expected);
}

TEST(AbiEncode, MatchesTheSpecificationsDynamicExample) {
    const Bytes expected =
        hex("8be65246"
            "0000000000000000000000000000000000000000000000000000000000000123"
            "0000000000000000000000000000000000000000000000000000000000000080"
            "3132333435363738393000000000000000000000000000000000000000000000"
            "00000000000000000000000000000000000000000000000000000000000000e0"
            "0000000000000000000000000000000000000000000000000000000000000002"
            "0000000000000000000000000000000000000000000000000000000000000456"
            "0000000000000000000000000000000000000000000000000000000000000789"
            "000000000000000000000000000000000000000000000000000000000000000d"
            "48656c6c6f2c20776f726c642100000000000000000000000000000000000000");
    const AbiBytes<10> digits = AbiBytes<10>::from(as_bytes("1234567890")).value();
    EXPECT_EQ(abi::encode_call(Selector{{0x8b, 0xe6, 0x52, 0x46}}, Uint256::from(0x123),
                  std::vector<std::uint32_t>{0x456, 0x789}, digits, std::string("Hello, world!")),
        expected);
}

TEST(AbiEncode, PutsNestedArraysBehindTheirOffsets) {
    const std::vector<std::vector<std::uint64_t>> numbers{{1, 2}, {3}};
    const std::vector<std::string> words{"one", "two", "three"};
    const Bytes expected = concat({word(0x40), word(0x140), word(2), word(0x40), word(0xa0),
        word(2), word(1), word(2), word(1), word(3), word(3), word(0x60), word(0xa0), word(0xe0),
        word(3), hex("6f6e650000000000000000000000000000000000000000000000000000000000"), word(3),
        hex("74776f0000000000000000000000000000000000000000000000000000000000"), word(5),
        hex("7468726565000000000000000000000000000000000000000000000000000000")});
    EXPECT_EQ(encode(numbers, words), expected);
    std::vector<std::vector<std::uint64_t>> decoded_numbers;
    std::vector<std::string> decoded_words;
    ASSERT_TRUE(abi::decode_tuple(expected, decoded_numbers, decoded_words));
    EXPECT_EQ(decoded_numbers, numbers);
    EXPECT_EQ(decoded_words, words);
}

TEST(AbiEncode, PutsStaticStructsInPlace) {
    Address account;
    account.bytes.fill(0xaa);
    const std::vector<Point> points{{1, account}, {2, {}}};
    const Bytes expected = concat({word(0x20), word(2), word(1),
        hex("000000000000000000000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), word(2), word(0)});
    EXPECT_EQ(encode(points), expected);
    EXPECT_EQ(abi::decode_value<std::vector<Point>>(expected), points);
}

TEST(AbiDecode, GivesBackWhateverWasEncoded) {
    Random random(1);
    for (int i = 0; i < 500; ++i) {
        const Sample sample = random.sample();
        const auto decoded = abi::decode_value<Sample>(encode(sample));
        ASSERT_TRUE(decoded) << decoded.error().message();
        ASSERT_EQ(*decoded, sample);
    }
}

TEST(AbiDecode, RefusesEveryTruncation) {
    Random random(2);
    const Bytes whole = encode(random.sample());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(abi::decode_value<Sample>(BytesView(whole).first(size))) << size;
    }
}

TEST(AbiDecode, TakesNoTwoEncodingsForOneValue) {
    Random random(3);
    for (int i = 0; i < 2000; ++i) {
        Bytes mutated = encode(random.sample());
        mutated[random.below(mutated.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
        if (const auto decoded = abi::decode_value<Sample>(mutated)) {
            ASSERT_EQ(encode(*decoded), mutated);
        }
    }
}

TEST(AbiDecode, RefusesBytesAfterTheEnd) {
    EXPECT_EQ(abi::decode_value<std::uint64_t>(word(7)), 7U);
    EXPECT_FALSE(abi::decode_value<std::uint64_t>(concat({word(7), {0}})));
}

TEST(AbiDecode, RefusesIntegersAboveTheirType) {
    EXPECT_EQ(abi::decode_value<std::uint8_t>(word(255)), 255);
    EXPECT_FALSE(abi::decode_value<std::uint8_t>(word(256)));
    EXPECT_FALSE(abi::decode_value<bool>(word(2)));
    Bytes above = word(0);
    above[15] = 1;
    EXPECT_FALSE(abi::decode_value<Uint128>(above));
    EXPECT_TRUE(abi::decode_value<Uint256>(above));
}

TEST(AbiDecode, RefusesEnumsWithoutAName) {
    EXPECT_EQ(abi::decode_value<Color>(word(2)), Color::blue);
    EXPECT_FALSE(abi::decode_value<Color>(word(3)));
}

TEST(AbiDecode, RefusesDirtyPadding) {
    EXPECT_FALSE(abi::decode_value<Address>(
        hex("010000000000000000000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
    EXPECT_FALSE(abi::decode_value<Selector>(
        hex("aabbccdd01000000000000000000000000000000000000000000000000000000")));
    EXPECT_FALSE(abi::decode_value<Bytes>(concat({word(0x20), word(1),
        hex("aa00000000000000000000000000000000000000000000000000000000000001")})));
}

TEST(AbiDecode, RefusesOffsetsThatOverlap) {
    const auto two = encode(Bytes{1}, Bytes{2});
    Bytes first;
    Bytes second;
    ASSERT_TRUE(abi::decode_tuple(two, first, second));
    Bytes overlapping = two;
    overlapping[63] = overlapping[31];
    EXPECT_FALSE(abi::decode_tuple(overlapping, first, second));
}

TEST(AbiDecode, RefusesLengthsBeyondTheDataWithoutReservingThem) {
    Bytes huge = concat({word(0x20), word(~std::uint64_t{0})});
    EXPECT_FALSE(abi::decode_value<std::vector<Bytes32>>(huge));
    EXPECT_FALSE(abi::decode_value<Bytes>(huge));
    EXPECT_FALSE(abi::decode_value<std::string>(huge));
    huge[32] = 1;
    EXPECT_FALSE(abi::decode_value<Bytes>(huge));
}

}  // namespace decloud::contracts
