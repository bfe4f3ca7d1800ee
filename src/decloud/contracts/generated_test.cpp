#include "internal/cast_vectors.hpp"
#include "revert.hpp"
#include "signatures.hpp"

#include <decloud/base/encoding.hpp>
#include <decloud/contracts/escrow.hpp>
#include <decloud/contracts/namehash.hpp>
#include <decloud/contracts/registrar.hpp>
#include <decloud/contracts/registry.hpp>
#include <decloud/contracts/resolver.hpp>
#include <decloud/contracts/test_usdc.hpp>

#include <gtest/gtest.h>

#include <array>

namespace decloud::contracts {

namespace {

const Address kAlice = parse_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8").value();
const Address kBob = parse_address("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC").value();
constexpr std::uint64_t kLater = 1'800'000'000;

Bytes32 filled(std::uint8_t byte) {
    Bytes32 out;
    out.bytes.fill(byte);
    return out;
}

const Bytes32 kFirst = filled(0xab);
const Bytes32 kSecond = filled(0xcd);

Bytes bytes_of(std::string_view hex) { return from_hex(hex).value(); }

Bytes32 padded(const Address& address) {
    Bytes32 out;
    std::ranges::copy(address.bytes, out.bytes.begin() + 12);
    return out;
}

}  // namespace

TEST(Generated, NamesTheCalledFunctionByItsSelector) {
    EXPECT_EQ(function_signature(escrow::encode_deposit(1)), "deposit(uint128)");
    EXPECT_EQ(function_signature(escrow::encode_consume_batch(std::vector<escrow::ConsumeRow>{})),
        "consumeBatch((bytes32,uint64,uint128)[])");
    EXPECT_EQ(function_signature(Bytes{0xde, 0xad, 0xbe, 0xef}), "");
    EXPECT_EQ(function_signature(Bytes{0xde}), "");
}

TEST(GeneratedCalls, EncodeScalars) {
    EXPECT_EQ(to_hex(escrow::encode_approve(kAlice, 1000, 5'000'000)), vectors::kApprove);
}

TEST(GeneratedCalls, EncodeArraysOfStructs) {
    const std::vector<escrow::ConsumeRow> rows{
        {.id = kFirst, .cumulative_calls = 3, .cumulative_amount = 3000},
        {.id = kSecond, .cumulative_calls = ~std::uint64_t{0}, .cumulative_amount = ~Uint128{0}},
    };
    EXPECT_EQ(to_hex(escrow::encode_consume_batch(rows)), vectors::kConsumeBatch);
}

TEST(GeneratedCalls, EncodeArraysOfStructsWithBytesInside) {
    const std::vector<escrow::ClaimRow> rows{
        {.id = kFirst, .cumulative = 64'000, .amount = 32'000, .signature = Bytes(65, 0x11)},
        {.id = kSecond, .cumulative = ~Uint128{0}, .amount = 1, .signature = {}},
    };
    EXPECT_EQ(to_hex(escrow::encode_claim_batch(rows)), vectors::kClaimBatch);
}

TEST(GeneratedCalls, EncodeWhatChannelsWithASignerNeed) {
    EXPECT_EQ(to_hex(escrow::encode_approve_signer_salt(kAlice, 1000, 5'000'000, kBob, kFirst)),
        vectors::kApproveSignerSalt);
    EXPECT_EQ(to_hex(escrow::encode_release(kFirst, 250, Bytes(65, 0x11))), vectors::kRelease);
}

TEST(GeneratedCalls, EncodeStaticStructsInPlace) {
    const escrow::CallAuthorization permit{.payer = kAlice,
        .provider = kBob,
        .request_digest = kSecond,
        .max_price = 1000,
        .nonce = kFirst,
        .valid_before = kLater};
    const Bytes signature{1, 2, 3};
    EXPECT_EQ(to_hex(escrow::encode_consume_with_permit(kFirst, 1000, 2, permit, signature)),
        vectors::kConsumeWithPermit);
}

TEST(GeneratedCalls, EncodeStructsWithArraysInside) {
    const escrow::Deployment deployment{.spec_hash = kFirst,
        .owner = kAlice,
        .providers = {kFirst, kSecond},
        .key_thumbprints = {},
        .terms_hash = kSecond,
        .escrow = kBob,
        .chain_id = Uint256::from(31337),
        .max_price = 1000,
        .created = kLater};
    EXPECT_EQ(to_hex(escrow::encode_deployment_digest(deployment)), vectors::kDeploymentDigest);
}

TEST(GeneratedCalls, EncodeText) {
    EXPECT_EQ(to_hex(resolver::encode_set_provider(
                  kFirst, kAlice, "http://127.0.0.1:8402", R"({"kty":"RSA"})")),
        vectors::kSetProvider);
}

TEST(GeneratedCalls, OverloadsHaveNamesOfTheirOwn) {
    EXPECT_EQ(resolver::kAddrSelector, (Selector{{0x3b, 0x3b, 0x57, 0xde}}));
    EXPECT_EQ(
        to_hex(resolver::encode_addr_coin_type(kFirst, Uint256::from(60))), vectors::kAddrCoinType);
    EXPECT_EQ(test_usdc::kTransferWithAuthorizationSelector, (Selector{{0xcf, 0x09, 0x29, 0x95}}));
    EXPECT_EQ(
        test_usdc::kTransferWithAuthorizationVRSSelector, (Selector{{0xe3, 0xee, 0x16, 0x0e}}));
}

TEST(GeneratedAnswers, DecodeStructs) {
    const auto allowance = escrow::decode_allowance(bytes_of(vectors::kReturnedAllowance));
    ASSERT_TRUE(allowance) << allowance.error().message();
    EXPECT_EQ(*allowance, (escrow::Allowance{.id = kFirst,
                              .price = 1000,
                              .remaining = 4'997'000,
                              .reserved = 5'000'000,
                              .claimed = 3000,
                              .calls = 3}));
}

TEST(GeneratedAnswers, DecodeText) {
    EXPECT_EQ(resolver::decode_text(bytes_of(vectors::kReturnedText)), R"({"kty":"RSA"})");
}

TEST(GeneratedAnswers, DecodeSeveralResults) {
    const auto domain = escrow::decode_eip712_domain(bytes_of(vectors::kReturnedDomain));
    ASSERT_TRUE(domain) << domain.error().message();
    EXPECT_EQ(domain->fields, (AbiBytes<1>{{0x0f}}));
    EXPECT_EQ(domain->name, "decloud");
    EXPECT_EQ(domain->version, "1");
    EXPECT_EQ(domain->chain_id, Uint256::from(31337));
    EXPECT_EQ(domain->verifying_contract, kBob);
    EXPECT_TRUE(domain->extensions.empty());
}

TEST(GeneratedAnswers, RefuseTheEmptyAnswerOfAnAddressWithoutCode) {
    EXPECT_FALSE(escrow::decode_allowance({}));
    EXPECT_FALSE(resolver::decode_text({}));
    EXPECT_FALSE(test_usdc::decode_decimals({}));
}

TEST(GeneratedEvents, DecodeTopicsAndData) {
    EXPECT_EQ(to_hex(escrow::ConsumedEvent::kTopic.view()), vectors::kConsumedTopic);
    const std::array topics{escrow::ConsumedEvent::kTopic, kFirst, padded(kAlice)};
    const Bytes data = bytes_of(vectors::kConsumedData);
    const auto event = escrow::ConsumedEvent::decode({.topics = topics, .data = data});
    ASSERT_TRUE(event) << event.error().message();
    EXPECT_EQ(event->id, kFirst);
    EXPECT_EQ(event->provider, kAlice);
    EXPECT_EQ(event->calls, 3U);
    EXPECT_EQ(event->claimed, 3000U);
}

TEST(GeneratedEvents, DecodeEnums) {
    const std::array topics{escrow::RowSkippedEvent::kTopic, kFirst, padded(kAlice)};
    const Bytes data = bytes_of(vectors::kSkippedData);
    const auto event = escrow::RowSkippedEvent::decode({.topics = topics, .data = data});
    ASSERT_TRUE(event) << event.error().message();
    EXPECT_EQ(event->reason, escrow::SkipReason::above_price);
    EXPECT_EQ(to_string(event->reason), "above_price");
}

TEST(GeneratedEvents, GiveTheHashOfIndexedText) {
    EXPECT_EQ(to_hex(resolver::TextChangedEvent::kTopic.view()), vectors::kTextChangedTopic);
    const std::array topics{resolver::TextChangedEvent::kTopic, kFirst, kSecond};
    const Bytes data = bytes_of(vectors::kTextChangedData);
    const auto event = resolver::TextChangedEvent::decode({.topics = topics, .data = data});
    ASSERT_TRUE(event) << event.error().message();
    EXPECT_EQ(event->indexed_key, kSecond);
    EXPECT_EQ(event->key, "url");
    EXPECT_EQ(event->value, "http://127.0.0.1:8402");
}

TEST(GeneratedEvents, RefuseOtherEventsAndMissingTopics) {
    const Bytes data = bytes_of(vectors::kConsumedData);
    const std::array other{escrow::RowSkippedEvent::kTopic, kFirst, padded(kAlice)};
    EXPECT_FALSE(escrow::ConsumedEvent::decode({.topics = other, .data = data}));
    const std::array fewer{escrow::ConsumedEvent::kTopic, kFirst};
    EXPECT_FALSE(escrow::ConsumedEvent::decode({.topics = fewer, .data = data}));
    EXPECT_FALSE(escrow::ConsumedEvent::decode({.topics = {}, .data = data}));
    const std::array dirty{escrow::ConsumedEvent::kTopic, kFirst, kSecond};
    EXPECT_FALSE(escrow::ConsumedEvent::decode({.topics = dirty, .data = data}));
}

TEST(DescribeRevert, NamesErrorsAndTheirValues) {
    const auto describe = [](std::string_view hex) { return describe_revert(bytes_of(hex)); };
    EXPECT_EQ(describe(vectors::kFreeTooLow), "FreeTooLow(free=1, needed=5)");
    EXPECT_EQ(describe(vectors::kLabelTaken), "LabelTaken(label=\"alice\")");
    EXPECT_EQ(describe(vectors::kErrorString), "\"no luck\"");
    EXPECT_EQ(describe(vectors::kPanicOverflow), "Panic(17)");
}

TEST(DescribeRevert, ShowsWhatItDoesNotKnow) {
    EXPECT_EQ(describe_revert({}), "reverted without a reason");
    EXPECT_EQ(describe_revert(Bytes{0xde, 0xad, 0xbe, 0xef}), "reverted with 0xdeadbeef");
    Bytes cut = bytes_of(vectors::kFreeTooLow);
    cut.pop_back();
    EXPECT_TRUE(describe_revert(cut).starts_with("reverted with 0xd1bbd197"));
    EXPECT_LT(describe_revert(Bytes(10'000, 0xff)).size(), 200U);
}

TEST(GeneratedCode, AppendsTheConstructorsArguments) {
    const Bytes code = escrow::deployment_code(kAlice, 86'400);
    const Bytes other = escrow::deployment_code(kBob, 3600);
    ASSERT_GT(code.size(), 10'000U);
    const std::size_t arguments = code.size() - 64;
    EXPECT_TRUE(std::equal(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(arguments),
        other.begin(), other.end() - 64));
    EXPECT_EQ(to_hex(BytesView(code).last(64)),
        to_hex(padded(kAlice).view()) +
            "0000000000000000000000000000000000000000000000000000000000015180");
}

TEST(GeneratedCode, RecognisesItsOwnRuntimeCodeOnly) {
    const Bytes runtime = to_bytes(registry::runtime_code());
    EXPECT_TRUE(registry::is_runtime_code(runtime));
    EXPECT_FALSE(registry::is_runtime_code({}));
    EXPECT_FALSE(registry::is_runtime_code(resolver::runtime_code()));
    for (const std::size_t at : {std::size_t{0}, runtime.size() / 2, runtime.size() - 1}) {
        Bytes changed = runtime;
        changed[at] ^= 1;
        EXPECT_FALSE(registry::is_runtime_code(changed)) << at;
    }
}

TEST(GeneratedConstants, AreThoseOfTheContract) {
    EXPECT_EQ(resolver::kUrlKey, "url");
    EXPECT_EQ(resolver::kRsaJwkKey, "org.decloud.rsa-jwk");
    EXPECT_EQ(resolver::kLowestEpochKey, "org.decloud.lowest-epoch");
}

}  // namespace decloud::contracts
