#include "ipns_signing.hpp"

#include <gtest/gtest.h>

namespace decloud::multiformats {

namespace {

IpnsRecord record_to(std::string value) {
    return {.value = std::move(value),
        .sequence = 41,
        .valid_until = {4'840'000'000},
        .ttl = std::chrono::seconds(300)};
}

TEST(IpnsSigning, SignsWhatVerifies) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    const IpnsRecord record = record_to("/ipfs/bafkqaaa/a path");
    const auto signed_record = sign_ipns_record(key, record);
    ASSERT_TRUE(signed_record);
    const auto read = verify_ipns_record(ipns_name(key.public_key()), *signed_record);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->value, record.value);
    EXPECT_EQ(read->sequence, record.sequence);
    EXPECT_EQ(read->valid_until, record.valid_until);
    EXPECT_EQ(read->ttl, record.ttl);
    const auto other = crypto::Ed25519PrivateKey::generate();
    EXPECT_EQ(verify_ipns_record(ipns_name(other.public_key()), *signed_record).error().code(),
        CommonError::permission_denied);
}

TEST(IpnsSigning, NamesAKeyAsLibp2pDoes) {
    // RFC 8032 §7.1, test 1; the name as `ipfs key import` of the same key prints it.
    Bytes seed{0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec,
        0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c,
        0xae, 0x7f, 0x60};
    const auto key = crypto::Ed25519PrivateKey::from_seed(seed);
    ASSERT_TRUE(key);
    EXPECT_EQ(ipns_name(key->public_key()).to_string(),
        "k51qzi5uqu5dljtg5upm7x7ugan9lql3ewyknv4r4mhhkwzn8n7cnbd1unfwgq");
}

TEST(IpnsSigning, RefusesWhatIsNoContentPath) {
    const auto key = crypto::Ed25519PrivateKey::generate();
    for (const char* const value : {"", "bafkqaaa", "/ipfs/", "/other/x", "https://example.org"}) {
        EXPECT_EQ(
            sign_ipns_record(key, record_to(value)).error().code(), CommonError::invalid_input)
            << value;
    }
    EXPECT_EQ(sign_ipns_record(key, record_to("/ipfs/" + std::string(kMaxIpnsRecord, 'x')))
                  .error()
                  .code(),
        CommonError::limit_exceeded);
}

}  // namespace

}  // namespace decloud::multiformats
