#include "deployment.hpp"

#include <decloud/crypto/hash.hpp>

#include <gtest/gtest.h>

namespace decloud::protocol {
namespace {

DeploymentSpec example(const Address& owner) {
    DeploymentSpec spec{
        .program = multiformats::Cid::of(multiformats::Codec::raw, as_bytes("program")),
        .program_key = Bytes(32, 7),
        .manifest = {.name = "thumbnail",
            .runtime = "wasm",
            .entry = "thumbnail.wasm",
            .limits = {}},
        .environment = {{"A", "1"}, {"B", "zwei"}},
        .secrets = {{"TOKEN", "s3cret"}},
        .terms = "",
        .owner_pays = {.callers = OwnerPays::Callers::list,
            .listed = {to_string(owner)},
            .per_caller = 5,
            .per_day = 100,
            .total = 1000},
        .max_price = Amount(1000),
        .created = {1'700'000'000},
        .owner = owner};
    return spec;
}

Result<identity::Signed<identity::Deployment>> sign_spec(
    const DeploymentSpec& spec, const crypto::Secp256k1PrivateKey& key) {
    TRY(const std::string canonical, canonical_spec(spec));
    identity::Deployment fields;
    fields.spec_hash = Bytes32{crypto::sha256(canonical)};
    fields.owner = spec.owner;
    fields.max_price = spec.max_price.units();
    fields.created = spec.created.value;
    return identity::sign(fields, identity::Domain{.chain_id = 31337, .escrow = {}}, key);
}

TEST(DeploymentSpec, SignedSpecRoundTripsToTheSameBytes) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    const DeploymentSpec spec = example(key.address());
    const auto signature = sign_spec(spec, key).value();
    const std::string text = serialize_signed_spec(spec, signature).value();
    const auto parsed = parse_signed_spec(text);
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(serialize_signed_spec(parsed->spec, parsed->signature).value(), text);
    EXPECT_EQ(parsed->spec.owner_pays, spec.owner_pays);
    EXPECT_EQ(parsed->spec.manifest, spec.manifest);
    EXPECT_FALSE(is_encrypted_spec(text));
}

TEST(DeploymentSpec, SaysHowAServerIsKept) {
    DeploymentSpec spec = example(crypto::Secp256k1PrivateKey::generate().address());
    spec.manifest.runtime = "server";
    spec.manifest.server =
        FunctionServer{.concurrency = 80, .idle = std::chrono::milliseconds(1500)};
    auto object = json::parse(canonical_spec(spec).value()).value().as_object();
    const auto parsed = parse_spec(object);
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->manifest, spec.manifest);
    for (const auto& [member, value] : {std::pair("concurrency", 0), {"concurrency", 1001},
             {"idleMilliseconds", 0}, {"other", 1}}) {
        auto wrong = object;
        wrong["manifest"].as_object()["server"].as_object()[member] = value;
        EXPECT_FALSE(parse_spec(wrong)) << member << value;
    }
}

TEST(DeploymentSpec, AsksForHostsOrSaysNothingOfThem) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    DeploymentSpec spec = example(key.address());
    EXPECT_EQ(canonical_spec(spec).value().find("egress"), std::string::npos);
    spec.manifest.egress = net::parse_host_rules({"api.example.com", "*.example.org:8443"}).value();
    const std::string text = canonical_spec(spec).value();
    EXPECT_NE(text.find(R"("egress":["api.example.com","*.example.org:8443"])"), std::string::npos);
    auto object = json::parse(text).value().as_object();
    const auto parsed = parse_spec(object);
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->manifest, spec.manifest);
    for (const json::Value& wrong : {json::Value(json::Array{}),
             json::Value(json::Array{"10.0.0.1"}), json::Value(json::Array{1}), json::Value("*"),
             json::Value(json::Array(65, json::Value("a.b")))}) {
        object["manifest"].as_object()["egress"] = wrong;
        EXPECT_FALSE(parse_spec(object)) << json::to_text(wrong);
    }
}

TEST(DeploymentSpec, RefusesASignatureThatIsForAnotherSpec) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    DeploymentSpec spec = example(key.address());
    const auto signature = sign_spec(spec, key).value();
    spec.environment.emplace_back("C", "more");
    EXPECT_FALSE(parse_signed_spec(serialize_signed_spec(spec, signature).value()));
}

TEST(DeploymentSpec, RefusesWhatItDoesNotKnow) {
    const auto key = crypto::Secp256k1PrivateKey::generate();
    auto object = json::parse(canonical_spec(example(key.address())).value()).value().as_object();
    ASSERT_TRUE(parse_spec(object));
    auto unknown = object;
    unknown["privileged"] = true;
    EXPECT_FALSE(parse_spec(unknown));
    auto newer = object;
    newer["version"] = 2;
    EXPECT_FALSE(parse_spec(newer));
    auto name = object;
    name["environment"] = json::Object{{"A=B", "x"}};
    EXPECT_FALSE(parse_spec(name));
}

}  // namespace
}  // namespace decloud::protocol
