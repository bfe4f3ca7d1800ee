#include "car_v2.hpp"

#include "car.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/base/json.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace decloud::multiformats {
namespace {

std::string fixture(const std::string& name) {
    const char* source = std::getenv("DECLOUD_SOURCE_DIR");
    std::ifstream file(std::string(source == nullptr ? "." : source) + "/tests/vectors/car/" + name,
        std::ios::binary);
    EXPECT_TRUE(file) << name;
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Section {
    Cid cid;
    Bytes data;
    std::uint64_t offset = 0;
};

struct Read {
    std::vector<Cid> roots;
    std::vector<Section> sections;
    std::optional<CarV2Header> header;
    Bytes index;

    [[nodiscard]] CarIndex made_index() const {
        CarIndex out;
        for (const Section& section : sections) {
            out.add(section.cid, section.offset);
        }
        return out;
    }
};

Result<Read> read(BytesView car, std::size_t piece = SIZE_MAX, CarReaderLimits limits = {}) {
    Read out;
    limits.max_index = 10'000;
    std::optional<CarReader> reader;
    reader.emplace(
        limits,
        [&](std::vector<Cid> roots) -> Result<void> {
            out.roots = std::move(roots);
            return {};
        },
        [&](const Cid& cid, BytesView data) -> Result<void> {
            out.sections.push_back({cid, to_bytes(data), reader->section_offset()});
            return {};
        });
    for (BytesView rest = car; !rest.empty();) {
        const BytesView part = rest.first(std::min(piece, rest.size()));
        TRY_VOID(reader->write(part));
        rest = rest.subspan(part.size());
    }
    TRY_VOID(reader->finish());
    out.header = reader->v2_header();
    out.index = to_bytes(reader->index());
    return out;
}

Result<Read> read_fixture(const std::string& name) {
    const std::string car = fixture(name);
    return read(as_bytes(car));
}

/// The CARv1 file within.
BytesView data_of(BytesView car) {
    const CarV2Header header = decode_car_v2_header(car.subspan(kCarV2Pragma.size())).value();
    return car.subspan(header.data_offset, header.data_size);
}

std::uint64_t number(const json::Object& object, std::string_view name) {
    return static_cast<std::uint64_t>(object.at(name).as_int64());
}

TEST(CarV2, ReadsTheFixturesOfTheSpecification) {
    for (const std::string name : {"carv1-basic", "carv2-basic"}) {
        const std::string car = fixture(name + ".car");
        const auto file = read(as_bytes(car));
        ASSERT_TRUE(file) << name << ": " << file.error().message();
        const json::Value value =
            json::parse(fixture(name + ".json"), {.max_bytes = 10'000, .max_depth = 16}).value();
        const json::Object& expected = value.as_object();
        const json::Object& header = expected.at("header").as_object();
        const std::uint64_t data_offset = file->header ? file->header->data_offset : 0;
        if (file->header) {
            EXPECT_EQ(
                *file->header, (CarV2Header{number(header, "dataOffset"),
                                   number(header, "dataSize"), number(header, "indexOffset")}));
        }
        const json::Array& roots = header.at("roots").as_array();
        ASSERT_EQ(file->roots.size(), roots.size());
        for (std::size_t i = 0; i < roots.size(); ++i) {
            EXPECT_EQ(file->roots[i].to_string(), roots[i].as_object().at("/").as_string());
        }
        const json::Array& blocks = expected.at("blocks").as_array();
        ASSERT_EQ(file->sections.size(), blocks.size()) << name;
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            const json::Object& block = blocks[i].as_object();
            const Section& section = file->sections[i];
            EXPECT_EQ(section.cid.to_string(), block.at("cid").as_object().at("/").as_string());
            EXPECT_EQ(section.data.size(), number(block, "blockLength"));
            EXPECT_EQ(data_offset + section.offset, number(block, "offset"));
        }
    }
    EXPECT_EQ(CarIndex::decode(read_fixture("carv2-basic.car").value().index).error().code(),
        CommonError::not_found)
        << "an index of a format that was never named";
}

TEST(CarV2, WritesTheIndexThatGoCarWrites) {
    for (const auto* name : {"sample-unixfs-v2.car", "sample-rw-bs-v2.car"}) {
        const auto file = read_fixture(name);
        ASSERT_TRUE(file) << name << ": " << file.error().message();
        EXPECT_EQ(file->sections.size(), 3U);
        EXPECT_EQ(to_hex(file->made_index().encode()), to_hex(file->index)) << name;
        const auto index = CarIndex::decode(file->index);
        ASSERT_TRUE(index) << index.error().message();
        EXPECT_EQ(index->size(), 3U);
        for (const Section& section : file->sections) {
            EXPECT_EQ(index->find(section.cid), section.offset);
        }
        EXPECT_FALSE(index->find(Cid::of(Codec::raw, as_bytes("lobstermuncher"))));
    }
}

TEST(CarV2, WritesTheWholeFileThatGoCarWrites) {
    const std::string car = fixture("sample-unixfs-v2.car");
    const BytesView data = data_of(as_bytes(car));
    Bytes ours = encode_car_v2_start(data.size(), true);
    append(ours, data);
    append(ours, BytesView(read(as_bytes(car)).value().made_index().encode()));
    EXPECT_EQ(to_hex(ours), to_hex(as_bytes(car)));
    Bytes without = encode_car_v2_start(data.size(), false);
    append(without, data);
    const auto file = read(without);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(file->header->index_offset, 0U);
    EXPECT_EQ(file->sections.size(), 3U);
}

TEST(CarV2, ReadsInPiecesOfAnySize) {
    for (const auto* name : {"sample-unixfs-v2.car", "sample-rw-bs-v2.car", "carv1-basic.car"}) {
        const std::string car = fixture(name);
        const auto whole = read(as_bytes(car)).value();
        for (const std::size_t piece : {1U, 2U, 7U, 10U, 11U, 12U, 50U, 51U, 52U, 300U}) {
            const auto file = read(as_bytes(car), piece);
            ASSERT_TRUE(file) << name << " in pieces of " << piece;
            EXPECT_EQ(file->index, whole.index);
            ASSERT_EQ(file->sections.size(), whole.sections.size());
            EXPECT_EQ(file->sections.back().offset, whole.sections.back().offset);
        }
    }
}

TEST(CarV2, RefusesWhatGoCarRefuses) {
    for (const auto* name : {"sample-corrupt-pragma.car", "sample-rootless-v42.car",
             "badheaderlength.car", "badsectionlength.car"}) {
        EXPECT_FALSE(read_fixture(name)) << name;
    }
}

TEST(CarV2, RefusesAFileThatIsCutAnywhereBeforeItsIndex) {
    const std::string car = fixture("sample-unixfs-v2.car");
    const std::size_t index = read(as_bytes(car)).value().header->index_offset;
    for (std::size_t size = 0; size < index; ++size) {
        EXPECT_FALSE(read(as_bytes(car).first(size))) << size;
    }
    EXPECT_TRUE(read(as_bytes(car).first(index)));
}

TEST(CarV2, RefusesPlacesThatOverlapOrPassTheEnd) {
    const std::string car = fixture("sample-unixfs-v2.car");
    struct Case {
        std::size_t at;
        std::uint64_t value;
    };
    for (const auto& [at, value] :
        {Case{27, 50}, Case{27, 0}, Case{27, UINT64_MAX}, Case{35, 0}, Case{35, UINT64_MAX},
            Case{35, 283}, Case{35, 285}, Case{43, 334}, Case{43, 51}, Case{43, UINT64_MAX}}) {
        Bytes changed = to_bytes(as_bytes(car));
        for (std::size_t byte = 0; byte < 8; ++byte) {
            changed[at + byte] = static_cast<std::uint8_t>(value >> (8 * byte));
        }
        EXPECT_FALSE(read(changed)) << at << ": " << value;
    }
}

TEST(CarV2, RefusesACarV2WithinACarV2AndMoreThanItMayTake) {
    const std::string car = fixture("sample-unixfs-v2.car");
    Bytes nested = encode_car_v2_start(car.size(), false);
    append(nested, as_bytes(car));
    EXPECT_FALSE(read(nested));
    CarReaderLimits limits;
    limits.max_total_bytes = car.size() - 1;
    EXPECT_EQ(read(as_bytes(car), SIZE_MAX, limits).error().code(), CommonError::limit_exceeded);
}

TEST(CarIndex, ReadsAnIndexWithoutFunctions) {
    // IndexSorted of one digest of 4 bytes at 259.
    const Bytes bytes = from_hex(
        "8008"
        "01000000"
        "0c000000"
        "0c00000000000000"
        "01020304"
        "0301000000000000")
                            .value();
    const auto index = CarIndex::decode(bytes);
    ASSERT_TRUE(index) << index.error().message();
    const auto hash = Multihash::make(HashCode{0x56}, from_hex("01020304").value());
    EXPECT_EQ(index->find(Cid::v1(Codec::raw, hash.value())), 259U);
}

TEST(CarIndex, RefusesEveryCutAndWhatHasNoSuchSize) {
    CarIndex made;
    made.add(Cid::of(Codec::raw, as_bytes("a")), 59);
    made.add(Cid::of(Codec::raw, as_bytes("a")), 99);
    made.add(Cid::v1(Codec::raw, Multihash::make(HashCode::identity, as_bytes("b")).value()), 9);
    EXPECT_EQ(made.size(), 1U);
    const Bytes whole = made.encode();
    EXPECT_EQ(CarIndex::decode(whole).value().find(Cid::of(Codec::raw, as_bytes("a"))), 59U);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(CarIndex::decode(BytesView(whole).first(size))) << size;
    }
    for (const int width : {0, 8, 39, 41, 200}) {
        Bytes changed = whole;
        changed[18] = static_cast<std::uint8_t>(width);
        EXPECT_FALSE(CarIndex::decode(changed)) << width;
    }
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(CarIndex::decode(longer));
}

}  // namespace
}  // namespace decloud::multiformats
