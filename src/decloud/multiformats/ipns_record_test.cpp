#include "ipns_record.hpp"

#include "internal/protobuf.hpp"
#include "ipld.hpp"

#include <decloud/crypto/ed25519.hpp>

#include <gtest/gtest.h>

namespace decloud::multiformats {

namespace {

constexpr std::string_view kValue = "/ipfs/bafkqaaa";
constexpr std::string_view kUntil = "2123-05-14T13:48:05.5Z";

/// A key and records signed by it.
class Signer {
  public:
    [[nodiscard]] IpnsName name() const {
        Bytes hash{0x00, 36};
        append(hash, BytesView(encoded_key()));
        Bytes cid{0x01, 0x72};
        append(cid, BytesView(hash));
        return IpnsName::parse(Cid::from_bytes(cid).value().to_string()).value();
    }

    [[nodiscard]] Bytes record(
        std::string_view v1_value = {}, std::uint64_t validity_type = 0) const {
        const auto text = [](std::string_view value) { return IpldValue{to_bytes(value)}; };
        const Bytes data = encode_dag_cbor({IpldValue::Map{{"Value", text(kValue)},
            {"Validity", text(kUntil)}, {"ValidityType", IpldValue{validity_type}},
            {"Sequence", IpldValue{std::uint64_t{7}}},
            {"TTL", IpldValue{std::uint64_t{60'000'000'000}}}}});
        Bytes out;
        if (!v1_value.empty()) {
            internal::append_bytes_field(out, 1, as_bytes(v1_value));
            internal::append_bytes_field(out, 2, as_bytes("not looked at"));
            internal::append_varint_field(out, 3, 0);
            internal::append_bytes_field(out, 4, as_bytes(kUntil));
            internal::append_varint_field(out, 5, 7);
            internal::append_varint_field(out, 6, 60'000'000'000);
        }
        Bytes message = to_bytes("ipns-signature:");
        append(message, BytesView(data));
        const auto signature = key_.sign(message);
        internal::append_bytes_field(out, 8, signature.view());
        internal::append_bytes_field(out, 9, data);
        return out;
    }

  private:
    [[nodiscard]] Bytes encoded_key() const {
        Bytes out;
        internal::append_varint_field(out, 1, 1);
        internal::append_bytes_field(out, 2, key_.public_key().view());
        return out;
    }

    crypto::Ed25519PrivateKey key_ = crypto::Ed25519PrivateKey::generate();
};

TEST(IpnsRecord, IsReadWithAndWithoutTheFieldsOfV1) {
    const Signer signer;
    for (const Bytes& bytes : {signer.record(), signer.record(kValue)}) {
        const auto record = verify_ipns_record(signer.name(), bytes);
        ASSERT_TRUE(record) << record.error().message();
        EXPECT_EQ(record->value, kValue);
        EXPECT_EQ(record->sequence, 7U);
        EXPECT_EQ(record->valid_until.value, 4839745685U);
        EXPECT_EQ(record->ttl, std::chrono::seconds(60));
    }
}

TEST(IpnsRecord, IsRefusedWhereV1SaysSomethingElse) {
    const Signer signer;
    EXPECT_TRUE(verify_ipns_record(signer.name(), signer.record("/ipfs/other")).error() ==
                make_error_code(CommonError::invalid_input));
}

TEST(IpnsRecord, IsRefusedWithAWrongSignatureOrKey) {
    const Signer signer;
    const Bytes record = signer.record();
    const auto denied = make_error_code(CommonError::permission_denied);
    EXPECT_TRUE(verify_ipns_record(Signer().name(), record).error() == denied);
    Bytes changed = record;
    changed[10] ^= 1U;
    EXPECT_TRUE(verify_ipns_record(signer.name(), changed).error() == denied);
    EXPECT_TRUE(verify_ipns_record(signer.name(), Bytes{}).error() == denied);
    EXPECT_FALSE(verify_ipns_record(signer.name(), signer.record({}, 1)));
    EXPECT_TRUE(verify_ipns_record(signer.name(), Bytes(kMaxIpnsRecord + 1)).error() ==
                make_error_code(CommonError::limit_exceeded));
}

TEST(IpnsName, HasOneCanonicalSpelling) {
    EXPECT_EQ(IpnsName::parse("12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK")->to_string(),
        "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8");
    EXPECT_EQ(IpnsName::parse("QmcJM7PRfkSbcM5cf1QugM5R37TLRKyJGgBEhXjLTB8uA2")->to_string(),
        "k2k4r8ol4m8kkcqz509c1rcjwunebj02gcnm5excpx842u736nja8ger");
    EXPECT_FALSE(IpnsName::parse("example.com"));
    EXPECT_FALSE(IpnsName::parse("bafkqaaa"));
}

}  // namespace

}  // namespace decloud::multiformats
