#include "car.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace decloud::multiformats {
namespace {

struct Collected {
    std::vector<Cid> roots;
    std::vector<Block> blocks;
};

Result<Collected> read_all(
    BytesView car, CarReaderLimits limits = {}, std::size_t piece = SIZE_MAX) {
    Collected out;
    CarReader reader(
        limits,
        [&](std::vector<Cid> roots) -> Result<void> {
            out.roots = std::move(roots);
            return {};
        },
        [&](const Cid& cid, BytesView data) -> Result<void> {
            out.blocks.push_back({cid, to_bytes(data)});
            return {};
        });
    while (!car.empty()) {
        const BytesView part = car.first(std::min(piece, car.size()));
        TRY_VOID(reader.write(part));
        car = car.subspan(part.size());
    }
    TRY_VOID(reader.finish());
    return out;
}

const Cid kHello = Cid::of(Codec::raw, as_bytes("hello"));
const Cid kWorld = Cid::of(Codec::raw, as_bytes("world!"));

Bytes sample() {
    Bytes car = encode_car_header(std::array{kHello, kWorld});
    append_car_section(car, kHello, as_bytes("hello"));
    append_car_section(car, kWorld, as_bytes("world!"));
    return car;
}

TEST(Car, WritesTheHeaderOfTheSpec) {
    // ipld specs/transport/car/carv1: {roots: [], version: 1} as canonical DAG-CBOR.
    EXPECT_EQ(to_hex(encode_car_header({})), "11a265726f6f7473806776657273696f6e01");
    const Cid cid = *Cid::parse("bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm");
    EXPECT_EQ(to_hex(encode_car_header(std::array{cid})),
        "3aa265726f6f747381d82a58250001711220f88bc853804cf294fe417e4fa83028689fcdb1b1592c5102e1474d"
        "bc"
        "200fab8b6776657273696f6e01");
}

TEST(Car, ReadsWhatItWritesInPiecesOfAnySize) {
    const Bytes car = sample();
    for (std::size_t piece = 1; piece <= car.size(); ++piece) {
        const auto read = read_all(car, {}, piece);
        ASSERT_TRUE(read) << piece;
        EXPECT_EQ(read->roots, (std::vector<Cid>{kHello, kWorld}));
        ASSERT_EQ(read->blocks.size(), 2U);
        EXPECT_EQ(as_text(read->blocks[1].data), "world!");
    }
}

TEST(Car, RefusesAnySingleBitFlip) {
    const Bytes car = sample();
    const auto original = read_all(car);
    ASSERT_TRUE(original);
    // A root is not hashed: a flip there names another root, which the importer finds missing.
    const std::size_t sections = encode_car_header(std::array{kHello, kWorld}).size();
    for (std::size_t bit = 0; bit < car.size() * 8; ++bit) {
        Bytes flipped = car;
        flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        const auto read = read_all(flipped);
        if (!read) {
            continue;
        }
        if (bit / 8 < sections) {
            EXPECT_NE(read->roots, original->roots) << bit;
            continue;
        }
        // What is left: another codec of the same verified bytes.
        ASSERT_EQ(read->blocks.size(), 2U) << bit;
        EXPECT_FALSE(read->blocks[0].cid == kHello && read->blocks[1].cid == kWorld) << bit;
        EXPECT_EQ(as_text(read->blocks[0].data), "hello") << bit;
        EXPECT_EQ(as_text(read->blocks[1].data), "world!") << bit;
    }
}

TEST(Car, RefusesAFileThatIsCutShort) {
    const Bytes car = sample();
    const std::size_t header = encode_car_header(std::array{kHello, kWorld}).size();
    const std::size_t first = header + 1 + kHello.to_bytes().size() + 5;
    for (std::size_t size = 0; size < car.size(); ++size) {
        const auto read = read_all(BytesView(car).first(size));
        EXPECT_EQ(read.has_value(), size == header || size == first) << size;
    }
}

TEST(Car, NamesTheBlockWhoseBytesAreWrong) {
    Bytes car = encode_car_header(std::array{kHello});
    append_car_section(car, kHello, as_bytes("hellp"));
    const auto read = read_all(car);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), CommonError::corrupt);
    EXPECT_NE(read.error().message().find(kHello.to_string()), std::string::npos);
}

TEST(Car, KeepsToItsLimits) {
    const Bytes car = sample();
    for (const CarReaderLimits& limits :
        {CarReaderLimits{.max_header = 20}, CarReaderLimits{.max_roots = 1},
            CarReaderLimits{.max_block = 5}, CarReaderLimits{.max_total_bytes = car.size() - 1},
            CarReaderLimits{.max_blocks = 1}}) {
        const auto read = read_all(car, limits);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code(), CommonError::limit_exceeded);
    }
    // The announced length alone is enough to refuse.
    Bytes huge = encode_car_header({});
    append(huge, BytesView(Bytes{0xff, 0xff, 0xff, 0x7f}));
    EXPECT_EQ(read_all(huge).error().code(), CommonError::limit_exceeded);
}

TEST(Car, RefusesHeadersOfOtherFormats) {
    const auto with_header = [](std::string_view hex) { return read_all(*from_hex(hex)); };
    EXPECT_FALSE(with_header("0aa16776657273696f6e02"));                  // CARv2
    EXPECT_FALSE(with_header("11a265726f6f7473806776657273696f6e02"));    // version 2
    EXPECT_FALSE(with_header("11a26776657273696f6e0165726f6f747380"));    // members misordered
    EXPECT_FALSE(with_header("12a265726f6f747398006776657273696f6e01"));  // length not minimal
    EXPECT_FALSE(with_header("12a265726f6f7473806776657273696f6e0100"));  // bytes after the header
    EXPECT_FALSE(with_header("00"));
    EXPECT_FALSE(with_header(""));
}

TEST(Car, StaysFailedAfterAnError) {
    const Bytes good = sample();
    CarReader reader(
        {}, [](std::vector<Cid>) -> Result<void> { return {}; },
        [](const Cid&, BytesView) -> Result<void> { return fail(CommonError::disk_full); });
    EXPECT_EQ(reader.write(good).error().code(), CommonError::disk_full);
    EXPECT_FALSE(reader.write({good.data(), 1}));
    EXPECT_FALSE(reader.finish());
}

}  // namespace
}  // namespace decloud::multiformats
