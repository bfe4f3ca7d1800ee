#include "cid.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace decloud::multiformats {
namespace {

constexpr const char* kV0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n";
constexpr const char* kV0AsV1 = "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
constexpr const char* kEmptyRaw = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

TEST(Cid, NamesTheEmptyRawBlock) { EXPECT_EQ(Cid::of(Codec::raw, {}).to_string(), kEmptyRaw); }

TEST(Cid, ReadsBothVersions) {
    const auto v0 = Cid::parse(kV0);
    ASSERT_TRUE(v0);
    EXPECT_EQ(v0->version(), 0);
    EXPECT_EQ(v0->codec(), Codec::dag_pb);
    EXPECT_EQ(v0->to_string(), kV0);
    EXPECT_EQ(v0->to_v1().to_string(), kV0AsV1);
    EXPECT_EQ(Cid::parse(kV0AsV1), v0->to_v1());
    EXPECT_NE(*v0, v0->to_v1());
}

TEST(Cid, ReadsEveryBase) {
    const Cid cid = Cid::of(Codec::dag_cbor, as_bytes("x"));
    for (const Multibase base :
        {Multibase::base16, Multibase::base16_upper, Multibase::base32, Multibase::base32_upper,
            Multibase::base36, Multibase::base58btc, Multibase::base64url}) {
        EXPECT_EQ(Cid::parse(cid.to_string(base)), cid);
    }
}

TEST(Cid, CarriesIdentityHashes) {
    const auto cid = Cid::parse("bafkqaaa");
    ASSERT_TRUE(cid);
    EXPECT_EQ(cid->hash().code(), HashCode::identity);
    EXPECT_TRUE(cid->verify({}));
    EXPECT_FALSE(cid->verify(as_bytes("x")));
}

TEST(Cid, RefusesMalformedText) {
    for (const char* text :
        {"", "b", "Qm", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk",
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku ", "hello",
            "../etc/passwd", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1",
            "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR10",
            "bAFKREIHDWDCEFGH4DQKJV67UZCMW7OJEE6XEDZDETOJUZJEVTENXQUVYKU"}) {
        const auto cid = Cid::parse(text);
        ASSERT_FALSE(cid) << text;
        EXPECT_EQ(cid.error().code(), CommonError::invalid_input) << text;
    }
    const auto cid = Cid::parse("b" + std::string(600, 'a'));
    ASSERT_FALSE(cid);
    EXPECT_EQ(cid.error().code(), CommonError::limit_exceeded);
}

TEST(Cid, RefusesAVersion0InAMultibase) {
    const auto v0 = Cid::parse(kV0);
    ASSERT_TRUE(v0);
    EXPECT_FALSE(Cid::parse(encode_multibase(Multibase::base32, v0->to_bytes())));
    EXPECT_FALSE(Cid::parse(encode_multibase(Multibase::base58btc, v0->to_bytes())));
}

TEST(Cid, RefusesBytesThatAreNotExactlyOne) {
    Bytes bytes = Cid::of(Codec::raw, {}).to_bytes();
    EXPECT_TRUE(Cid::from_bytes(bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(Cid::from_bytes(BytesView(bytes).first(size))) << size;
    }
    bytes.push_back(0);
    EXPECT_FALSE(Cid::from_bytes(bytes));
}

TEST(Cid, RefusesUnknownVersionsAndLongDigests) {
    EXPECT_FALSE(Cid::from_bytes(Bytes{0x00, 0x55, 0x00, 0x00}));
    EXPECT_FALSE(Cid::from_bytes(Bytes{0x02, 0x55, 0x00, 0x00}));
    EXPECT_FALSE(Cid::from_bytes(Bytes{0x01, 0x55, 0x12, 0x1f}));
    Bytes long_identity{0x01, 0x55, 0x00, 0x81, 0x01};
    long_identity.resize(long_identity.size() + 129);
    const auto cid = Cid::from_bytes(long_identity);
    ASSERT_FALSE(cid);
    EXPECT_EQ(cid.error().code(), CommonError::limit_exceeded);
}

TEST(Cid, VerifiesItsBytesOnly) {
    const Cid cid = Cid::of(Codec::raw, as_bytes("hello"));
    EXPECT_TRUE(cid.verify(as_bytes("hello")));
    const auto wrong = cid.verify(as_bytes("hellp"));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code(), CommonError::corrupt);
    EXPECT_NE(wrong.error().message().find(cid.to_string()), std::string::npos);
}

TEST(Cid, IsAKeyOfContainers) {
    std::unordered_set<Cid> cids{Cid::of(Codec::raw, {}), Cid::of(Codec::raw, as_bytes("x"))};
    EXPECT_TRUE(cids.contains(*Cid::parse(kEmptyRaw)));
    EXPECT_FALSE(cids.contains(*Cid::parse(kV0AsV1)));
}

}  // namespace
}  // namespace decloud::multiformats
