#include "dag_pb.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

#include <random>

namespace decloud::multiformats {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

Cid some_cid(std::uint32_t seed) {
    return Cid::of(
        Codec::raw, BytesView(reinterpret_cast<const std::uint8_t*>(&seed), sizeof(seed)));
}

TEST(DagPb, EncodesNodesWithoutLinks) {
    EXPECT_EQ(encode_pb({.links = {}, .data = {}}), Bytes{});
    EXPECT_EQ(encode_pb({.links = {}, .data = Bytes{}}), hex("0a00"));
    EXPECT_EQ(encode_pb({.links = {}, .data = Bytes{0, 1, 2, 3, 4}}), hex("0a050001020304"));
}

TEST(DagPb, TellsAnAbsentNameFromAnEmptyOne) {
    const Cid cid = *Cid::from_bytes(hex("015500050001020304"));
    EXPECT_EQ(encode_pb({.links = {{.cid = cid, .name = {}, .tsize = {}}}, .data = {}}),
        hex("120b0a09015500050001020304"));
    EXPECT_EQ(encode_pb({.links = {{.cid = cid, .name = "", .tsize = {}}}, .data = {}}),
        hex("120d0a090155000500010203041200"));
    EXPECT_EQ(encode_pb({.links = {{.cid = cid, .name = "some name", .tsize = 0}}, .data = {}}),
        hex("12180a090155000500010203041209736f6d65206e616d651800"));
}

TEST(DagPb, ReadsBackWhatItWrites) {
    std::mt19937 random(2);
    for (int round = 0; round < 500; ++round) {
        PbNode node;
        for (std::uint32_t i = 0, count = random() % 6; i < count; ++i) {
            PbLink link{
                .cid = some_cid(static_cast<std::uint32_t>(random())), .name = {}, .tsize = {}};
            if (random() % 4 != 0) {
                link.name = std::string(random() % 5, static_cast<char>('a' + random() % 26));
            }
            if (random() % 4 != 0) {
                link.tsize = (std::uint64_t{random()} << 32U) | random();
            }
            node.links.push_back(std::move(link));
        }
        if (random() % 2 == 0) {
            node.data = Bytes(random() % 9, static_cast<std::uint8_t>(random()));
        }
        const Bytes bytes = encode_pb(node);
        const auto decoded = decode_pb(bytes);
        ASSERT_TRUE(decoded);
        EXPECT_EQ(*decoded, node);
        EXPECT_EQ(encode_pb(*decoded), bytes);
    }
}

TEST(DagPb, RefusesWhatIsNotCanonical) {
    for (const char* text : {
             "0a",                                  // cut short
             "0a0500",                              // data longer than the node
             "0a000a00",                            // data twice
             "1a00",                                // unknown field
             "0800",                                // data of another wire type
             "8a0000",                              // tag not minimal
             "0a8000",                              // length not minimal
             "1200",                                // link without a cid
             "12020a00",                            // empty cid
             "12110a0901550005000102030418001200",  // name after size
             "120d0a0901550005000102030418001a",    // cut short
             "120f0a0901550005000102030412001200",  // name twice
             "120d0a090155000500010203042000",      // unknown field of a link
             "120b0a090155000500010203040a00120b0a09015500050001020304",  // links, data, links
         }) {
        EXPECT_FALSE(decode_pb(hex(text))) << text;
    }
}

TEST(DagPb, KeepsToItsLimits) {
    PbNode node;
    for (std::uint32_t i = 0; i < 10; ++i) {
        node.links.push_back({.cid = some_cid(i), .name = "name", .tsize = 0});
    }
    const Bytes bytes = encode_pb(node);
    EXPECT_TRUE(decode_pb(bytes));
    for (const PbLimits& limits : {PbLimits{.max_bytes = bytes.size() - 1},
             PbLimits{.max_links = 9}, PbLimits{.max_name = 3}}) {
        const auto decoded = decode_pb(bytes, limits);
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error().code(), CommonError::limit_exceeded);
    }
}

}  // namespace
}  // namespace decloud::multiformats
