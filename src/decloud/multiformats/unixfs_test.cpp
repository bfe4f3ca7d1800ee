#include "unixfs.hpp"

#include <decloud/base/encoding.hpp>

#include <gtest/gtest.h>

namespace decloud::multiformats {
namespace {

Bytes hex(std::string_view text) { return *from_hex(text); }

UnixFsData of_type(UnixFsType type) {
    UnixFsData data;
    data.type = type;
    return data;
}

Bytes node_of(const UnixFsData& info, std::vector<PbLink> links) {
    return encode_pb({.links = std::move(links), .data = encode_unixfs(info)});
}

PbLink link_named(std::string name) {
    return {.cid = Cid::of(Codec::raw, as_bytes(name)), .name = std::move(name), .tsize = 1};
}

TEST(UnixFs, EncodesKnownNodes) {
    EXPECT_EQ(encode_unixfs(of_type(UnixFsType::directory)), hex("0801"));
    UnixFsData empty_file = of_type(UnixFsType::file);
    empty_file.file_size = 0;
    EXPECT_EQ(encode_unixfs(empty_file), hex("08021800"));
    UnixFsData hello = of_type(UnixFsType::file);
    hello.data = to_bytes("hello\n");
    hello.file_size = 6;
    EXPECT_EQ(encode_unixfs(hello), hex("0802120668656c6c6f0a1806"));
}

TEST(UnixFs, ReadsBackWhatItWrites) {
    UnixFsData data = of_type(UnixFsType::file);
    data.data = Bytes{1, 2};
    data.file_size = 302;
    data.block_sizes = {100, 200};
    data.mode = 0644;
    data.modified = UnixFsTime{.seconds = -5, .nanoseconds = 999'999'999};
    EXPECT_EQ(decode_unixfs(encode_unixfs(data)), data);
    UnixFsData shard = of_type(UnixFsType::hamt_shard);
    shard.data = Bytes{0x01};
    shard.hash_type = kMurmur3;
    shard.fanout = 256;
    EXPECT_EQ(decode_unixfs(encode_unixfs(shard)), shard);
}

TEST(UnixFs, RefusesMalformedData) {
    for (const char* text : {
             "",                   // no type
             "1800",               // no type first
             "0806",               // unknown type
             "08020802",           // type twice
             "080218001800",       // size twice
             "080218001200",       // data after size
             "08025000",           // unknown field
             "0802420215ff",       // time cut short
             "080242051000ca9a3b"  // nanoseconds of another wire type
         }) {
        EXPECT_FALSE(decode_unixfs(hex(text))) << text;
    }
    EXPECT_FALSE(
        decode_unixfs(hex("0802420715"
                          "00ca9a3b"
                          "0801")));
}

TEST(UnixFs, RefusesFilesWhoseSizesDisagree) {
    UnixFsData info = of_type(UnixFsType::file);
    info.block_sizes = {1};
    info.file_size = 1;
    EXPECT_TRUE(decode_unixfs_node(node_of(info, {link_named("")})));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {})));
    info.file_size = 2;
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("")})));
    info.file_size.reset();
    info.block_sizes = {UINT64_MAX, 2};
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named(""), link_named("")})));
}

TEST(UnixFs, FillsInAFileSizeThatWasLeftOut) {
    UnixFsData info = of_type(UnixFsType::file);
    info.data = to_bytes("abc");
    const auto node = decode_unixfs_node(node_of(info, {}));
    ASSERT_TRUE(node);
    EXPECT_EQ(node->info.file_size, 3U);
}

TEST(UnixFs, RefusesShardsThatContradictThemselves) {
    UnixFsData info = of_type(UnixFsType::hamt_shard);
    info.hash_type = kMurmur3;
    info.fanout = 256;
    info.data = Bytes{0x02, 0x01};  // slots 0 and 9
    const std::vector<PbLink> links = {link_named("00a"), link_named("09b")};
    EXPECT_TRUE(decode_unixfs_node(node_of(info, links)));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("00a")})));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("09a"), link_named("00b")})));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("00a"), link_named("00b")})));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("00a"), link_named("0")})));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("00a"), link_named("0ab")})));
    EXPECT_FALSE(decode_unixfs_node(node_of(info, {link_named("00a"), link_named("zzb")})));
    for (const std::uint64_t fanout : {0, 4, 7, 255, 2048}) {
        info.fanout = fanout;
        EXPECT_FALSE(decode_unixfs_node(node_of(info, links))) << fanout;
    }
    info.fanout = 256;
    info.hash_type = 0x12;
    EXPECT_FALSE(decode_unixfs_node(node_of(info, links)));
}

TEST(Hamt, HashesAsTheReferenceImplementationDoes) {
    // First half of MurmurHash3_x64_128 with seed 0.
    EXPECT_EQ(hamt_hash(""), 0U);
    EXPECT_EQ(hamt_hash("hello"), 0xcbd8a7b341bd9b02U);
    EXPECT_EQ(hamt_hash("hello, world"), 0x342fac623a5ebc8eU);
    EXPECT_EQ(hamt_hash("The quick brown fox jumps over the lazy dog."), 0xcd99481f9ee902c9U);
}

TEST(Hamt, NamesSlotsWithAsManyDigitsAsTheFanoutNeeds) {
    EXPECT_EQ(hamt_prefix_size(8), 1U);
    EXPECT_EQ(hamt_prefix_size(16), 1U);
    EXPECT_EQ(hamt_prefix_size(256), 2U);
    EXPECT_EQ(hamt_prefix_size(1024), 3U);
}

}  // namespace
}  // namespace decloud::multiformats
