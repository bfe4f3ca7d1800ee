#include "tar_stream.hpp"

#include <decloud/content/importer.hpp>
#include <decloud/multiformats/unixfs.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace decloud::ipfs {

namespace {

using content::Cid;
using multiformats::PbLink;
using multiformats::UnixFsData;
using multiformats::UnixFsType;

class TarStreamTest : public ::testing::Test {
  protected:
    Cid put_node(const UnixFsData& info, std::vector<PbLink> links) {
        const Bytes block = multiformats::encode_pb(
            {.links = std::move(links), .data = multiformats::encode_unixfs(info)});
        Cid cid = Cid::of(multiformats::Codec::dag_pb, block);
        EXPECT_TRUE(store_->put(cid, block));
        return cid;
    }
    /// Every entry is `inner`.
    Cid put_directory(const std::vector<std::string>& names, const Cid& inner) {
        UnixFsData info;
        info.type = UnixFsType::directory;
        std::vector<PbLink> links;
        links.reserve(names.size());
        for (const std::string& name : names) {
            links.push_back({.cid = inner, .name = name, .tsize = 1});
        }
        return put_node(info, std::move(links));
    }
    /// A shard all of whose slots are `inner`.
    Cid put_shard(const std::optional<Cid>& inner) {
        UnixFsData info;
        info.type = UnixFsType::hamt_shard;
        info.hash_type = multiformats::kMurmur3;
        info.fanout = 256;
        std::vector<PbLink> links;
        for (int slot = 0; inner && slot < 256; ++slot) {
            links.push_back({.cid = *inner, .name = fmt::format("{:02X}", slot), .tsize = 1});
        }
        info.data = Bytes(inner ? 32 : 0, 0xff);
        return put_node(info, std::move(links));
    }
    /// The error's code, or nothing.
    std::error_code refusal(const Cid& root) {
        const auto stream = TarStream::open(*store_, root, "root");
        return stream ? std::error_code() : std::error_code(stream.error().code());
    }

    std::unique_ptr<content::BlockStore> store_ = content::make_memory_block_store();
    Cid file_ = content::import_bytes(*store_, as_bytes("x")).value().cid;
    const std::error_code limit_ = make_error_code(CommonError::limit_exceeded);
};

TEST_F(TarStreamTest, RefusesPathsThatAreTooLong) {
    EXPECT_EQ(refusal(put_directory({std::string(4096, 'x')}, file_)), std::error_code());
    EXPECT_EQ(refusal(put_directory({std::string(4097, 'x')}, file_)), limit_);
    Cid deep = file_;
    for (int level = 0; level < 5; ++level) {
        deep = put_directory({std::string(1000, 'x')}, deep);
    }
    EXPECT_EQ(refusal(deep), limit_);
}

TEST_F(TarStreamTest, KeepsPathsOfALimitedSizeInAll) {
    std::vector<std::string> names;
    names.reserve(500);
    for (int i = 0; i < 500; ++i) {
        names.push_back(fmt::format("{:04000}", i));
    }
    const Cid large = put_directory(names, file_);
    EXPECT_EQ(
        refusal(put_directory({"1", "2", "3", "4", "5", "6", "7"}, large)), std::error_code());
    EXPECT_EQ(refusal(put_directory({"1", "2", "3", "4", "5", "6", "7", "8", "9"}, large)), limit_);
}

TEST_F(TarStreamTest, CountsTheShardsOfAllFoldersTogether) {
    const Cid empty = put_shard(put_shard(put_shard(std::nullopt)));
    EXPECT_EQ(refusal(put_directory({"1"}, empty)), std::error_code());
    EXPECT_EQ(refusal(put_directory({"1", "2"}, empty)), limit_);
}

}  // namespace

}  // namespace decloud::ipfs
