#include "deploy.hpp"

#include "error.hpp"
#include "http.hpp"

#include <decloud/base/testing/temporary_folder.hpp>
#include <decloud/content/block_store.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/identity/jwe.hpp>
#include <decloud/protocol/payment_header.hpp>
#include <decloud/protocol/program_encryption.hpp>
#include <decloud/protocol/request_digest.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace decloud::client {
namespace {

const identity::Domain kDomain{.chain_id = 31337,
    .escrow = parse_address("0x00000000000000000000000000000000000000e5").value()};

const crypto::RsaPrivateKey& provider_key() {
    static const crypto::RsaPrivateKey key = crypto::RsaPrivateKey::generate(2048);
    return key;
}

registry::Provider provider(std::string_view name, bool with_key = true) {
    return {.name = identity::ProviderName::parse(name).value(),
        .address = {},
        .url = net::parse_url("http://127.0.0.1:1").value(),
        .rsa_key = with_key ? std::optional(provider_key().public_key()) : std::nullopt};
}

Project small_project() {
    return parse_project("name = \"a\"\nruntime = \"wasm\"\nentry = \"a.wasm\"\n", "p").value();
}

TEST(Deploy, AProviderReadsFromTheCarWhatTheOwnerSigned) {
    const AccountSigner owner(crypto::Secp256k1PrivateKey::generate());
    const Bytes package = to_bytes("the package");
    DeploymentPlan plan =
        make_plan(small_project(), package, {{"TOKEN", "x"}}, owner.address(), {}).value();
    plan.spec.created = {1234};
    const auto sealed = seal_deployment(plan, {provider("alice")}, owner, kDomain).value();
    const auto store = content::make_memory_block_store();
    const auto imported = content::car_import(*store, sealed.car);
    ASSERT_TRUE(imported) << imported.error().message();
    const Bytes jwe = content::read_file(*store, sealed.cid, 1U << 20U).value();
    const Bytes text = identity::Jwe::parse(as_text(jwe))->decrypt(provider_key()).value();
    const auto spec = protocol::parse_signed_spec(as_text(text)).value();
    EXPECT_TRUE(identity::verify(spec.signature, kDomain));
    EXPECT_EQ(spec.spec_hash, sealed.spec_hash);
    EXPECT_THAT(
        spec.signature.fields.providers, testing::ElementsAre(identity::namehash("alice.decloud")));
    EXPECT_EQ(content::read_file(*store, spec.spec.program, 1U << 20U).value(), package);
    EXPECT_EQ(as_text(sealed.car).find("TOKEN"), std::string_view::npos);
}

TEST(Deploy, AnEncryptedProgramIsOpenedByTheSpecsKeyOnly) {
    const AccountSigner owner(crypto::Secp256k1PrivateKey::generate());
    const DeploymentPlan plan = make_plan(
        small_project(), to_bytes("the package"), {}, owner.address(), {.encrypt_program = true})
                                    .value();
    ASSERT_TRUE(plan.spec.program_key);
    EXPECT_EQ(as_text(plan.program).find("package"), std::string_view::npos);
    EXPECT_EQ(protocol::open_program(*plan.spec.program_key, plan.program).value(),
        to_bytes("the package"));
}

TEST(Deploy, APublicOneNamesNobodyAndHasNoSecrets) {
    const AccountSigner owner(crypto::Secp256k1PrivateKey::generate());
    const PlanOptions options{.is_public = true};
    const auto plan =
        make_plan(small_project(), to_bytes("p"), {}, owner.address(), options).value();
    const auto sealed = seal_deployment(plan, {provider("alice", false)}, owner, kDomain).value();
    const auto store = content::make_memory_block_store();
    ASSERT_TRUE(content::car_import(*store, sealed.car));
    const Bytes text = content::read_file(*store, sealed.cid, 1U << 20U).value();
    EXPECT_TRUE(protocol::parse_signed_spec(as_text(text))->signature.fields.providers.empty());
    EXPECT_FALSE(make_plan(small_project(), to_bytes("p"), {{"K", "v"}}, owner.address(), options));
    EXPECT_FALSE(make_plan(small_project(), to_bytes("p"), {}, owner.address(),
        {.is_public = true, .encrypt_program = true}));
}

TEST(Deploy, AProviderWithoutAKeyTakesOnlyPublicOnes) {
    const AccountSigner owner(crypto::Secp256k1PrivateKey::generate());
    const auto plan = make_plan(small_project(), to_bytes("p"), {}, owner.address(), {}).value();
    EXPECT_TRUE(seal_deployment(plan, {provider("bob", false)}, owner, kDomain).error() ==
                make_error_code(ClientError::usage));
}

TEST(Deploy, TheFingerprintIsOfEverythingButTheTime) {
    const AccountSigner owner(crypto::Secp256k1PrivateKey::generate());
    const auto plan = make_plan(small_project(), to_bytes("p"), {}, owner.address(), {}).value();
    auto later = plan;
    later.spec.created = {99};
    auto other = plan;
    other.spec.environment = {{"A", "1"}};
    const std::vector<registry::Provider> alice{provider("alice")};
    const std::string first = fingerprint(plan, alice, kDomain).value();
    EXPECT_EQ(first, fingerprint(later, alice, kDomain).value());
    EXPECT_NE(first, fingerprint(other, alice, kDomain).value());
    EXPECT_NE(first, fingerprint(plan, {provider("bob")}, kDomain).value());
    EXPECT_NE(first, fingerprint(plan, alice, {.chain_id = 1, .escrow = kDomain.escrow}).value());
}

TEST(Deploy, AnAuthorizationIsForOneRequestOfFiveMinutes) {
    const AccountSigner payer(crypto::Secp256k1PrivateKey::generate());
    const AuthorizedRequest request{.method = "POST",
        .target = "/bafy?x=1",
        .content_digest = crypto::sha256("body"),
        .provider = kDomain.escrow,
        .max_price = Amount(7)};
    const std::string header = authorize(request, payer, kDomain, {1000}).value();
    const auto payment = protocol::parse_payment_header(header).value();
    EXPECT_EQ(payment.method, "authorization");
    const auto statement =
        identity::parse_signed<identity::CallAuthorization>(as_text(payment.payload)).value();
    EXPECT_TRUE(identity::verify(statement, kDomain));
    EXPECT_EQ(statement.fields.max_price, 7U);
    EXPECT_EQ(statement.fields.valid_before, 1300U);
    EXPECT_EQ(statement.fields.request_digest,
        protocol::request_digest({.method = "POST",
            .target = "/bafy?x=1",
            .content_digest = request.content_digest,
            .audience = protocol::audience(31337, kDomain.escrow)}));
    EXPECT_NE(header, authorize(request, payer, kDomain, {1000}).value());
}

TEST(Plan, IsReadBackAsItWasSaved) {
    const TemporaryFolder folder;
    const AccountSigner owner(crypto::Secp256k1PrivateKey::generate());
    const auto plan =
        make_plan(small_project(), to_bytes("p"), {{"K", "v"}}, owner.address(), {}).value();
    const std::string cid = plan.spec.program.to_string();
    ASSERT_TRUE(save_plan(folder.path(), cid, plan));
    const auto read = load_plan(folder.path(), cid).value();
    EXPECT_EQ(
        protocol::canonical_spec(read.spec).value(), protocol::canonical_spec(plan.spec).value());
    EXPECT_EQ(read.program, plan.program);
    EXPECT_FALSE(read.is_public);
    EXPECT_FALSE(load_plan(folder.path(), "../../etc"));
}

TEST(RemoteError, CarriesDetailAndHelpOfAProblem) {
    const Error error = remote_error(402, "application/problem+json",
        as_bytes(R"({"detail":"no allowance","help":"decloud escrow approve alice"})"));
    EXPECT_TRUE(error == make_error_code(ClientError::payment));
    EXPECT_THAT(error.detail(), testing::HasSubstr("no allowance"));
    EXPECT_THAT(error.detail(), testing::HasSubstr("\nhelp: decloud escrow approve alice"));
    EXPECT_TRUE(remote_error(404, "text/html", {}) == make_error_code(ClientError::not_found));
    EXPECT_TRUE(remote_error(401, "", {}) == make_error_code(ClientError::not_authorised));
}

}  // namespace
}  // namespace decloud::client
