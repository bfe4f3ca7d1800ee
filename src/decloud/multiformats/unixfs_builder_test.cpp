#include "unixfs_builder.hpp"

#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <unordered_map>

namespace decloud::multiformats {
namespace {

/// The byte stream of IPIP-499's vectors: ChaCha20 under SHA-256 of the seed, zero nonce.
class KeyStream {
  public:
    explicit KeyStream(std::string_view seed) : cipher_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
        const auto key = crypto::sha256(seed);
        const std::array<std::uint8_t, 16> nonce{};
        EXPECT_EQ(
            EVP_EncryptInit_ex(cipher_.get(), EVP_chacha20(), nullptr, key.data(), nonce.data()),
            1);
    }

    Bytes next(std::size_t size) {
        Bytes out(size, 0);
        int written = 0;
        EXPECT_EQ(EVP_EncryptUpdate(
                      cipher_.get(), out.data(), &written, out.data(), static_cast<int>(size)),
            1);
        EXPECT_EQ(static_cast<std::size_t>(written), size);
        return out;
    }

  private:
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> cipher_;
};

Result<void> ignore_block(const Cid& /*cid*/, BytesView /*data*/) { return {}; }

std::string file_cid(const UnixFsProfile& profile, std::string_view seed, std::uint64_t size) {
    constexpr std::uint64_t kPiece = std::uint64_t{1} << 20U;
    KeyStream stream(seed);
    FileBuilder builder(profile, ignore_block);
    for (std::uint64_t left = size; left > 0;) {
        const Bytes piece = stream.next(std::min(left, kPiece));
        EXPECT_TRUE(builder.write(piece));
        left -= piece.size();
    }
    const auto entry = builder.finish();
    EXPECT_TRUE(entry);
    EXPECT_EQ(entry->size, size);
    return entry->cid.to_string();
}

std::string bytes_cid(const UnixFsProfile& profile, std::string_view bytes) {
    FileBuilder builder(profile, ignore_block);
    EXPECT_TRUE(builder.write(as_bytes(bytes)));
    return builder.finish()->cid.to_string();
}

std::string directory_cid(const UnixFsProfile& profile,
    std::string_view seed,
    std::size_t count,
    std::size_t name_size,
    std::size_t last_name_size) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz01234567890-_";
    FileBuilder x(profile, ignore_block);
    EXPECT_TRUE(x.write(as_bytes("x")));
    const auto file = x.finish();
    EXPECT_TRUE(file);
    KeyStream stream(seed);
    DirectoryBuilder builder(profile, ignore_block);
    for (std::size_t i = 0; i < count; ++i) {
        std::string name;
        for (const std::uint8_t byte : stream.next(i + 1 == count ? last_name_size : name_size)) {
            name += kAlphabet[byte % kAlphabet.size()];
        }
        EXPECT_TRUE(builder.add(name, *file));
    }
    return builder.finish()->cid.to_string();
}

constexpr std::uint64_t kV0Chunk = std::uint64_t{256} << 10U;
constexpr std::uint64_t kV1Chunk = std::uint64_t{1} << 20U;

TEST(Ipip499, SmallFiles) {
    EXPECT_EQ(bytes_cid(UnixFsProfile::v0_2015(), "hello world"),
        "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD");
    EXPECT_EQ(bytes_cid(UnixFsProfile::v1_2025(), "hello world"),
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
}

TEST(Ipip499, FilesOfOneChunk) {
    EXPECT_EQ(file_cid(UnixFsProfile::v0_2015(), "chunk-v0-seed", kV0Chunk),
        "QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE");
    EXPECT_EQ(file_cid(UnixFsProfile::v1_2025(), "chunk-v1-seed", kV1Chunk),
        "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta");
}

TEST(Ipip499, FilesOneByteOverAChunk) {
    EXPECT_EQ(file_cid(UnixFsProfile::v0_2015(), "chunk-v0-seed", kV0Chunk + 1),
        "QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ");
    EXPECT_EQ(file_cid(UnixFsProfile::v1_2025(), "chunk-v1-seed", kV1Chunk + 1),
        "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64");
}

TEST(Ipip499, FilesWithAsManyChunksAsANodeHasLinksV0) {
    EXPECT_EQ(file_cid(UnixFsProfile::v0_2015(), "v0-seed", 174 * kV0Chunk),
        "QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2");
    EXPECT_EQ(file_cid(UnixFsProfile::v0_2015(), "v0-seed", 174 * kV0Chunk + 1),
        "QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW");
}

TEST(Ipip499, FileWithAsManyChunksAsANodeHasLinksV1) {
    EXPECT_EQ(file_cid(UnixFsProfile::v1_2025(), "v1-2025-seed", 1024 * kV1Chunk),
        "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm");
}

TEST(Ipip499, FileOneByteOverANodesLinksV1) {
    EXPECT_EQ(file_cid(UnixFsProfile::v1_2025(), "v1-2025-seed", 1024 * kV1Chunk + 1),
        "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe");
}

TEST(Ipip499, DirectoriesAtTheThresholdAreFlat) {
    EXPECT_EQ(directory_cid(UnixFsProfile::v0_2015(), "hamt-unixfs-v0-2015", 4096, 30, 30),
        "QmX5GtRk3TSSEHtdrykgqm4eqMEn3n2XhfkFAis5fjyZmN");
    EXPECT_EQ(directory_cid(UnixFsProfile::v1_2025(), "hamt-unixfs-v1-2025", 4766, 11, 21),
        "bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4");
}

TEST(Ipip499, DirectoriesOneByteOverTheThresholdAreSharded) {
    EXPECT_EQ(directory_cid(UnixFsProfile::v0_2015(), "hamt-unixfs-v0-2015", 4033, 31, 31),
        "QmeMiJzmhpJAUgynAcxTQYek5PPKgdv3qEvFsdV3XpVnvP");
    EXPECT_EQ(directory_cid(UnixFsProfile::v1_2025(), "hamt-unixfs-v1-2025", 4766, 11, 22),
        "bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu");
}

TEST(UnixFsBuilder, MakesKnownEmptyThings) {
    EXPECT_EQ(
        bytes_cid(UnixFsProfile::v0_2015(), ""), "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH");
    EXPECT_EQ(bytes_cid(UnixFsProfile::v1_2025(), ""),
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    EXPECT_EQ(DirectoryBuilder(UnixFsProfile::v0_2015(), ignore_block).finish()->cid.to_string(),
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
    EXPECT_EQ(DirectoryBuilder(UnixFsProfile::v1_2025(), ignore_block).finish()->cid.to_string(),
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
}

TEST(UnixFsBuilder, DoesNotDependOnHowBytesArrive) {
    UnixFsProfile profile = UnixFsProfile::v1_2025();
    profile.chunk_size = 16;
    profile.max_links = 3;
    std::mt19937 random(3);
    for (int round = 0; round < 100; ++round) {
        Bytes content(random() % 1000, 0);
        std::ranges::generate(content, [&] { return static_cast<std::uint8_t>(random()); });
        FileBuilder whole(profile, ignore_block);
        ASSERT_TRUE(whole.write(content));
        FileBuilder pieces(profile, ignore_block);
        for (BytesView rest = content; !rest.empty();) {
            const std::size_t size = std::min<std::size_t>(random() % 50, rest.size());
            ASSERT_TRUE(pieces.write(rest.first(size)));
            rest = rest.subspan(size);
        }
        EXPECT_EQ(whole.finish()->cid, pieces.finish()->cid);
    }
}

TEST(UnixFsBuilder, CountsTheSizesOfWhatItLinksTo) {
    UnixFsProfile profile = UnixFsProfile::v1_2025();
    profile.chunk_size = 4;
    profile.max_links = 2;
    std::unordered_map<Cid, Bytes> blocks;
    FileBuilder builder(profile, [&](const Cid& cid, BytesView data) -> Result<void> {
        blocks.emplace(cid, to_bytes(data));
        return {};
    });
    ASSERT_TRUE(builder.write(as_bytes("aaaabbbbccccddddeeee")));
    const auto entry = builder.finish();
    ASSERT_TRUE(entry);
    std::uint64_t total = 0;
    for (const auto& [cid, data] : blocks) {
        total += data.size();
    }
    EXPECT_EQ(entry->tsize, total);
    EXPECT_EQ(entry->size, 20U);
    const auto root = decode_unixfs_node(blocks.at(entry->cid));
    ASSERT_TRUE(root);
    EXPECT_EQ(root->info.block_sizes, (std::vector<std::uint64_t>{16, 4}));
}

TEST(UnixFsBuilder, ReturnsTheSinksError) {
    const BlockSink full = [](const Cid&, BytesView) -> Result<void> {
        return fail(CommonError::disk_full);
    };
    FileBuilder file(UnixFsProfile::v1_2025(), full);
    ASSERT_TRUE(file.write(as_bytes("x")));
    EXPECT_EQ(file.finish().error().code(), CommonError::disk_full);
    EXPECT_EQ(DirectoryBuilder(UnixFsProfile::v1_2025(), full).finish().error().code(),
        CommonError::disk_full);
    EXPECT_EQ(build_symlink(UnixFsProfile::v1_2025(), "target", full).error().code(),
        CommonError::disk_full);
}

TEST(UnixFsBuilder, RefusesNamesThatNoFileCanHave) {
    const auto link = build_symlink(UnixFsProfile::v1_2025(), "x", ignore_block);
    ASSERT_TRUE(link);
    DirectoryBuilder builder(UnixFsProfile::v1_2025(), ignore_block);
    for (const std::string& name :
        {std::string(), std::string("."), std::string(".."), std::string("a/b"),
            std::string("a\0b", 3), std::string(256, 'a'), std::string("\xff")}) {
        const auto added = builder.add(name, *link);
        ASSERT_FALSE(added) << name;
        EXPECT_EQ(added.error().code(), CommonError::invalid_input);
    }
    EXPECT_TRUE(builder.add("a", *link));
    EXPECT_EQ(builder.add("a", *link).error().code(), CommonError::already_exists);
}

}  // namespace
}  // namespace decloud::multiformats
